import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("MessageSocket and MessageListener")
struct MessageSocketTests {
  @Test("a pair keeps messages apart", arguments: [MessageSocket.Kind.datagram, .sequencedPacket])
  func pair(kind: MessageSocket.Kind) throws {
    let pair = try MessageSocket.pair(kind)
    try pair.first.send([1, 2])
    try pair.first.send([3])
    let size = try pair.second.nextMessageSize()
    let (first, second) = (try pair.second.receive(upTo: 9), try pair.second.receive(upTo: 9, timeout: generous))
    #expect(size == 2)
    #expect((first?.bytes, second?.bytes) == ([1, 2], [3]))
    let late = #expect(throws: InterprocessError.self) {
      _ = try pair.second.receive(upTo: 9, timeout: .milliseconds(5))
    }
    #expect(late?.isTimeout == true)
  }

  @Test("a message longer than the buffer is an error that says how long it was")
  func truncated() throws {
    let pair = try MessageSocket.pair(.datagram)
    try pair.first.send([1, 2, 3])
    let error = #expect(throws: InterprocessError.self) { _ = try pair.second.receive(upTo: 2, timeout: generous) }
    #expect(error?.errno == .messageTooLong)
    #expect(error?.remedy?.contains("had 3 bytes, the buffer has room for 2") == true)
    let huge = #expect(throws: InterprocessError.self) {
      try pair.first.send([UInt8](repeating: 0, count: 8 << 20), timeout: generous)
    }
    #expect(huge?.errno == .messageTooLong)
  }

  @Test("a sequenced packet socket has an end, an empty datagram is a message")
  func ends() throws {
    var packets = try MessageSocket.pair(.sequencedPacket)
    let empty = #expect(throws: InterprocessError.self) { try packets.first.send([]) }
    #expect(empty?.errno == .invalidArgument)
    try packets.first.close()
    let end = try packets.second.receive(upTo: 9, timeout: generous)
    #expect(end == nil)
    let broken = #expect(throws: InterprocessError.self) { try packets.second.send([1]) }
    #expect(broken?.errno == .brokenPipe)
    let datagrams = try MessageSocket.pair(.datagram)
    try datagrams.first.send([])
    let message = try datagrams.second.receive(upTo: 9, timeout: generous)
    #expect(message?.bytes == [])
  }

  @Test("a connection names who is at the other end, where that has an address")
  func connectedSender() throws {
    let directory = try TemporaryDirectory()
    let address = UnixSocketAddress.path(directory.path.appending("listener"))
    let listener = try MessageListener(at: address)
    let client = try MessageSocket(connectingTo: address, kind: .sequencedPacket, timeout: generous)
    let server = try listener.accept(timeout: generous)
    try server.send([1])
    try client.send([2])
    #expect(try client.receive(upTo: 1, timeout: generous) == MessageSocket.Message(bytes: [1], sender: address))
    #expect(try server.receive(upTo: 1, timeout: generous) == MessageSocket.Message(bytes: [2], sender: nil))
    // With descriptors it is the kernel who tells.
    var received = ReceivedDescriptors()
    try server.send([3])
    let message = try client.receive(upTo: 1, receiving: &received, timeout: generous)
    #expect(message == MessageSocket.Message(bytes: [3], sender: address))
  }

  @Test("datagrams name their sender, and a full receiver makes an unconnected sender wait")
  func addresses() throws {
    let directory = try TemporaryDirectory()
    let (here, there) = (
      UnixSocketAddress.path(directory.path.appending("here")), UnixSocketAddress.abstract(Unique.name())
    )
    let sender = try MessageSocket(boundTo: here)
    let receiver = try MessageSocket(boundTo: there)
    try sender.send([1], to: there)
    let message = try receiver.receive(upTo: 9, timeout: generous)
    #expect(message == MessageSocket.Message(bytes: [1], sender: here))
    while try sender.trySend([2], to: there) {}
    let full = #expect(throws: InterprocessError.self) { try sender.send([2], to: there, timeout: .milliseconds(20)) }
    #expect(full?.isTimeout == true)
  }

  @Test("suspended receivers get what comes, and are cancelled without any coming")
  func asyncForms() async throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try MessageListener(at: address)
    let client = Task {
      let socket = try await MessageSocket(connectingTo: address, kind: .sequencedPacket, timeout: generous)
      try await socket.send([7], timeout: generous)
      return try await socket.receive(upTo: 9, timeout: generous)?.bytes
    }
    let server = try await listener.accept(timeout: generous)
    let heard = try await server.receive(upTo: 9, timeout: generous)
    try await server.send([8], timeout: generous)
    let answer = try await client.value
    #expect(heard?.bytes == [7])
    #expect(answer == [8])
    let waiting = Task {
      let pair = try MessageSocket.pair(.datagram)
      return try await pair.first.receive(upTo: 1)
    }
    try await Task.sleep(for: .milliseconds(20))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
  }

  @Test("a task that connects waits for room in the backlog, and is cancelled")
  func asyncConnecting() async throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try UnixListener(at: address, backlog: 0)
    let first = try await UnixSocket(connectingTo: address, timeout: generous)
    await #expect(throws: InterprocessError.self) {
      _ = try await UnixSocket(connectingTo: address, timeout: .milliseconds(5))
    }
    let cancelled = Task { _ = try await UnixSocket(connectingTo: address) }
    try await Task.sleep(for: .milliseconds(20))
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let second = Task {
      let socket = try await UnixSocket(connectingTo: address, timeout: generous)
      try await socket.write([2], timeout: generous)
    }
    let server = try await listener.accept(timeout: generous)
    try await first.write([1], timeout: generous)
    let bytes = try await server.read(upTo: 9, timeout: generous)
    #expect(bytes == [1])
    let other = try await listener.accept(timeout: generous)
    let more = try await other.read(upTo: 9, timeout: generous)
    #expect(more == [2])
    try await second.value
  }

  @Test(
    "a C program exchanges packets and descriptors with us", .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func cPeer() throws {
    let directory = try TemporaryDirectory()
    let program = try CPeer.packets.get()
    let path = directory.path.appending("socket")
    let listener = try MessageListener(at: .path(path))
    let peer = Background { try program.run("exchange", path.string) }
    let server = try listener.accept(timeout: generous)
    var received = ReceivedDescriptors(atMost: 1)
    let packet = try server.receive(upTo: 100, receiving: &received, timeout: generous)
    var contents: [UInt8] = []
    if let file = received.takeFirst() {
      contents = try Pipe.Reader(adopting: file).read(upTo: 100, timeout: generous)
    }
    #expect(packet?.bytes == Array("pipe".utf8))
    #expect(contents == Array("from C".utf8))
    let pipe = try Pipe()
    try pipe.writer.write(Array("from Swift".utf8))
    try server.send(Array("file".utf8), passing: [pipe.reader.fileDescriptor])
    #expect(try peer.value() == "file: from Swift")
  }

  @Test("Python exchanges packets and datagrams", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("packets")
    let listener = try MessageListener(at: .path(path))
    let exchange = PythonPeer.start("packets-exchange", path.string, "one", "two")
    let server = try listener.accept(timeout: generous)
    for _ in 0..<2 {
      let packet = try server.receive(upTo: 100, timeout: generous)
      try server.send(packet?.bytes ?? [])
    }
    #expect(try exchange.value() == "one two")

    let inbox = directory.path.appending("inbox")
    let receiver = try MessageSocket(boundTo: .path(inbox))
    _ = try PythonPeer.run("datagram-send", inbox.string, "hello")
    let hello = try receiver.receive(upTo: 100, timeout: generous)
    #expect(hello?.bytes == Array("hello".utf8))
    let there = directory.path.appending("there")
    let answer = PythonPeer.start("datagram-answer", there.string)
    var sent = false
    for _ in 0..<1000 where !sent {
      sent = (try? receiver.trySend(Array("question".utf8), to: .path(there))) == true
      if !sent { usleep(10_000) }
    }
    let reply = try receiver.receive(upTo: 100, timeout: generous)
    #expect(reply == MessageSocket.Message(bytes: Array("QUESTION".utf8), sender: .path(there)))
    #expect(try answer.value() == "question")
  }
}
