import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("SocketPair and UnixSocket", .blocking)
struct SocketTests {
  @Test("a pair carries bytes both ways, and each side sees the other close")
  func pair() throws {
    var pair = try SocketPair()
    try pair.first.write([1])
    try pair.second.write([2])
    let (there, back) = (try pair.second.read(upTo: 9), try pair.first.read(upTo: 9))
    #expect((there, back) == ([1], [2]))
    try pair.first.close()
    let end = try pair.second.read(upTo: 9, timeout: generous)
    #expect(end.isEmpty)
    let error = #expect(throws: InterprocessError.self) { try pair.second.write([1]) }
    #expect(error?.errno == .brokenPipe)
  }

  @Test("reading and writing time out")
  func timeouts() throws {
    let pair = try SocketPair()
    let read = #expect(throws: InterprocessError.self) { _ = try pair.first.read(upTo: 1, timeout: .milliseconds(5)) }
    #expect(read?.isTimeout == true)
    let large = [UInt8](repeating: 0, count: 4 << 20)
    let write = #expect(throws: InterprocessError.self) { try pair.first.write(large, timeout: .milliseconds(5)) }
    #expect(write?.isTimeout == true)
  }

  @Test("a client connects by path or abstract name", arguments: [true, false])
  func connect(abstract: Bool) throws {
    let directory = try TemporaryDirectory()
    let address =
      abstract ? UnixSocketAddress.abstract(Unique.name()) : .path(directory.path.appending("socket"))
    let listener = try UnixListener(at: address)
    let client = try UnixSocket(connectingTo: address, timeout: generous)
    let server = try listener.accept(timeout: generous)
    try client.write(Array("hello".utf8))
    try client.finishWriting()
    let text = try server.read(upTo: 100, timeout: generous)
    let end = try server.read(upTo: 100, timeout: generous)
    try server.write(text)
    let echo = try client.read(upTo: 100, timeout: generous)
    #expect(String(decoding: echo, as: UTF8.self) == "hello")
    #expect(end.isEmpty)
  }

  @Test("a path that is no UTF-8 is the one that is bound, connected to, told and removed", arguments: [false, true])
  func anyBytes(replacing: Bool) throws {
    let directory = try TemporaryDirectory()
    let folder = directory.path.appending(bytes: [0x64, 0xFE])
    try #require(folder.withPlatformString { mkdir($0, 0o700) } == 0)
    let path = folder.appending(bytes: [0x73, 0xFF, 0x74])
    let listener = try UnixListener(at: .path(path), replacingDeadServer: replacing)
    var status = stat()
    #expect(path.withPlatformString { lstat($0, &status) } == 0)
    let client = try UnixSocket(connectingTo: .path(path), timeout: generous)
    let server = try listener.accept(timeout: generous)
    try client.write([1])
    let bytes = try server.read(upTo: 1, timeout: generous)
    #expect(bytes == [1])
    try UnixListener.unlink(path)
    let datagrams = try MessageSocket(boundTo: .path(path))
    let sender = folder.appending(bytes: [0xFD])
    let other = try MessageSocket(boundTo: .path(sender))
    try other.send([2], to: .path(path))
    let message = try datagrams.receive(upTo: 9, timeout: generous)
    #expect(message?.sender == .path(sender))
    for path in [path, sender] { try UnixListener.unlink(path) }
    #expect(folder.withPlatformString { rmdir($0) } == 0, "nothing else was made there")
  }

  @Test("each way that listening and connecting fail names its remedy")
  func errors() throws {
    let directory = try TemporaryDirectory()
    let address = UnixSocketAddress.path(directory.path.appending("socket"))
    let nobody = #expect(throws: InterprocessError.self) { _ = try UnixSocket(connectingTo: address) }
    #expect(nobody?.remedy == "nobody listens there; the server has to come first")

    var listener = try UnixListener(at: address)
    let taken = #expect(throws: InterprocessError.self) { _ = try UnixListener(at: address) }
    #expect(taken?.errno == .addressInUse)
    try listener.close()
    // A program that another test starts at this moment may hold a copy of the listener until it has executed.
    for _ in 0..<1000 where (try? UnixSocket(connectingTo: address)) != nil { usleep(10_000) }
    let gone = #expect(throws: InterprocessError.self) { _ = try UnixSocket(connectingTo: address) }
    #expect(gone?.errno == .connectionRefused)

    let long = UnixSocketAddress.path(directory.path.appending(String(repeating: "x", count: 100)))
    let tooLong = #expect(throws: InterprocessError.self) { _ = try UnixListener(at: long) }
    #expect(tooLong?.errno == .fileNameTooLong)
  }

  @Test("accepting and connecting time out")
  func acceptTimeout() throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try UnixListener(at: address, backlog: 0)
    let nobody = #expect(throws: InterprocessError.self) { _ = try listener.accept(timeout: .milliseconds(5)) }
    #expect(nobody?.isTimeout == true)
    let first = try UnixSocket(connectingTo: address)
    let full = #expect(throws: InterprocessError.self) {
      _ = try UnixSocket(connectingTo: address, timeout: .milliseconds(5))
    }
    #expect(full?.isTimeout == true)
    withExtendedLifetime(first.descriptor.rawValue) {}
  }

  @Test("Python connects to a Swift server", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func pythonClient() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try UnixListener(at: .path(path))
    let answer = PythonPeer.start("unix-exchange", path.string, "question")
    let server = try listener.accept(timeout: generous)
    let question = try server.read(exactly: 8, timeout: generous)
    try server.write(Array("answer".utf8))
    try server.finishWriting()
    #expect(question == Array("question".utf8))
    #expect(try answer.value() == "answer")
  }

  @Test("a Swift client connects to Python", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func pythonServer() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let heard = PythonPeer.start("unix-echo", path.string)
    let client = try connected(to: .path(path))
    try client.write(Array("hello".utf8))
    try client.finishWriting()
    let echo = try client.read(exactly: 5, timeout: generous)
    #expect(echo == Array("HELLO".utf8))
    #expect(try heard.value() == "hello")
  }

  /// Python takes a moment before it listens.
  private func connected(to address: UnixSocketAddress) throws -> UnixSocket {
    for _ in 0..<1000 {
      if let socket = try? UnixSocket(connectingTo: address) { return socket }
      usleep(10_000)
    }
    return try UnixSocket(connectingTo: address)
  }
}

extension FilePath {
  /// A path within this one of bytes that are no text.
  fileprivate func appending(bytes: [UInt8]) -> FilePath {
    pushing(FilePath(platformString: bytes.map(CChar.init(bitPattern:)) + [0]))
  }
}
