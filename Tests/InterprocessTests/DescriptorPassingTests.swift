import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Descriptor passing and peers")
struct DescriptorPassingTests {
  @Test("descriptors travel with bytes; the surplus is closed, and so is what nobody takes")
  func surplus() throws {
    let pair = try SocketPair()
    var kept = try Pipe()
    var dropped = try Pipe()
    try pair.first.write(
      [1], passing: [kept.writer.fileDescriptor, dropped.writer.fileDescriptor], timeout: generous)
    try kept.writer.close()
    try dropped.writer.close()
    var received = ReceivedDescriptors(atMost: 1)
    let bytes = try pair.second.read(upTo: 10, receiving: &received, timeout: generous)
    let (count, surplus) = (received.count, received.surplus)
    #expect(bytes == [1])
    #expect((count, surplus) == (1, 1))
    // The surplus writer was the last one: its reader sees the end.
    let end = try dropped.reader.read(upTo: 1, timeout: generous)
    #expect(end.isEmpty)
    var taken = received.takeFirst()
    let flags = fcntl(taken?.rawValue ?? -1, F_GETFD)
    #expect(flags == FD_CLOEXEC)
    let open = try kept.reader.tryRead(upTo: 1)
    #expect(open == nil)
    taken = nil
    let closed = try kept.reader.read(upTo: 1, timeout: generous)
    #expect(closed.isEmpty)
  }

  @Test("trying to read waits for nothing, and tells nothing from the end")
  func trying() throws {
    var pair = try SocketPair()
    let pipe = try Pipe()
    var received = ReceivedDescriptors(atMost: 1)
    let nothing = try pair.second.tryRead(upTo: 10, receiving: &received)
    #expect(nothing == nil)
    try pair.first.write([1, 2], passing: [pipe.writer.fileDescriptor], timeout: generous)
    let bytes = try pair.second.tryRead(upTo: 10, receiving: &received)
    let count = received.count
    #expect(bytes == [1, 2] && count == 1)
    try pair.first.close()
    let end = try pair.second.tryRead(upTo: 10, receiving: &received)
    #expect(end == [])
  }

  @Test("a plain read leaks no descriptor, nor does a holder that goes")
  func dropped() throws {
    let pair = try SocketPair()
    var pipe = try Pipe()
    try pair.first.write([1], passing: [pipe.writer.fileDescriptor])
    _ = try pair.second.read(upTo: 1)
    try pair.first.write([1], passing: [pipe.writer.fileDescriptor])
    do {
      var received = ReceivedDescriptors()
      _ = try pair.second.read(upTo: 1, receiving: &received)
      let count = received.count
      #expect(count == 1)
    }
    try pipe.writer.close()
    let end = try pipe.reader.read(upTo: 1, timeout: generous)
    #expect(end.isEmpty)
  }

  @Test("253 descriptors are the most, and need a byte")
  func limits() throws {
    let pair = try SocketPair()
    let descriptor = pair.first.fileDescriptor
    try pair.first.write([1], passing: Array(repeating: descriptor, count: 253))
    var received = ReceivedDescriptors()
    _ = try pair.second.read(upTo: 1, receiving: &received, timeout: generous)
    let count = received.count
    #expect(count == 253)
    let many = #expect(throws: InterprocessError.self) {
      try pair.first.write([1], passing: Array(repeating: descriptor, count: 254))
    }
    #expect(many?.remedy == "a message carries at most 253 descriptors, not 254")
    let none = #expect(throws: InterprocessError.self) { try pair.first.write([], passing: [descriptor]) }
    #expect(none?.remedy == "descriptors travel with at least one byte")
  }

  @Test("Python passes descriptors both ways", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try UnixListener(at: .path(path))
    let sending = PythonPeer.start("send-descriptors", path.string, "one", "two")
    let server = try listener.accept(timeout: generous)
    var received = ReceivedDescriptors()
    _ = try server.read(upTo: 100, receiving: &received, timeout: generous)
    var texts: [String] = []
    while let descriptor = received.takeFirst() {
      let reader = Pipe.Reader(adopting: descriptor)
      texts.append(String(decoding: try reader.read(upTo: 100, timeout: generous), as: UTF8.self))
    }
    #expect(texts == ["one", "two"])
    _ = try sending.value()

    let receiving = PythonPeer.start("receive-descriptors", path.string, "1")
    let second = try listener.accept(timeout: generous)
    let pipe = try Pipe()
    try pipe.writer.write(Array("contents".utf8))
    try second.write(Array("file".utf8), passing: [pipe.reader.fileDescriptor], timeout: generous)
    #expect(try receiving.value() == "file contents")
  }

  @Test("the peer is known by user, group and process")
  func credentials() throws {
    let pair = try SocketPair()
    let peer = try pair.first.peerCredentials()
    #expect((peer.processID, peer.userID, peer.groupID) == (getpid(), geteuid(), getegid()))
    let process = try pair.first.peerProcess()
    let hasEnded = try process.hasEnded()
    #expect(!hasEnded)
    let alone = try MessageSocket()
    let nobody = #expect(throws: InterprocessError.self) { _ = try alone.peerCredentials() }
    #expect(nobody?.errno == .socketNotConnected)
  }

  @Test(
    "the other side's credentials are those of its process, which can be signalled",
    .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func credentialsOfAnother() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let packets = directory.path.appending("packets")
    let listener = try UnixListener(at: .path(path))
    let packetListener = try MessageListener(at: .path(packets))
    let program = """
      import os, signal, socket, sys
      one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
      one.connect(sys.argv[1])
      two = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
      two.connect(sys.argv[2])
      one.sendall(os.getpid().to_bytes(4, 'little'))
      print(signal.sigtimedwait([signal.SIGUSR1], 60).si_signo)
      """
    let blocking = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n" + program
    let peer = Background { try PythonPeer.run(program: blocking, path.string, packets.string) }
    let stream = try listener.accept(timeout: generous)
    let packet = try packetListener.accept(timeout: generous)
    let number = try #require(try stream.read(exactly: 4, timeout: generous))
    let process = number.withUnsafeBytes { CInt(littleEndian: $0.loadUnaligned(as: CInt.self)) }
    #expect(process != getpid())
    let (first, second) = (try stream.peerCredentials(), try packet.peerCredentials())
    #expect(first.processID == process && second.processID == process)
    #expect(first.userID == getuid() && first.groupID == getgid())
    try stream.peerProcess().signal(SIGUSR1)
    #expect(try peer.value(timeout: generous) == "\(SIGUSR1)")
  }
}
