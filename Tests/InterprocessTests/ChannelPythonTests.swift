import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite(
  "A channel with Python's multiprocessing.connection at the other end", .blocking,
  .enabled(if: ConnectionPeer.isAvailable, "\(ConnectionPeer.absence)"))
struct ChannelPythonTests {
  private static let sizes = [0, 1, 100, 16_384, 65_535, 65_536, 65_537, 1_000_000, 20_000_000]

  @Test("Python connects to a listener here, and messages of every size go there and back")
  func pythonConnects() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try ChannelListener(at: .path(path))
    let python = try #require(ConnectionPeer.usual).start("client", path.string)
    let channel = try listener.accept(timeout: generous)
    try exchange(channel)
    channel.close()
    #expect(try python.value(timeout: generous) == ["\(Self.sizes.count) messages"])
    try ChannelListener.unlink(path)
  }

  @Test("a channel connects to a listener of Python's, and messages of every size go there and back")
  func pythonListens() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let python = try #require(ConnectionPeer.usual).start("listener", path.string, "1")
    let channel = try connectWhenThere { try Channel(connectingTo: .path(path), timeout: generous) }
    try exchange(channel)
    channel.close()
    #expect(try python.value(timeout: generous) == ["\(Self.sizes.count) messages"])
  }

  @Test("Python echoes through inherited pipes")
  func inheritedPipes() throws {
    var there = try Pipe()
    var back = try Pipe()
    let first = Command.firstPassedDescriptor
    let python = try #require(ConnectionPeer.usual).start(
      "pipes", "\(first)", "\(first + 1)",
      passing: [there.reader.fileDescriptor.rawValue, back.writer.fileDescriptor.rawValue])
    try there.reader.close()
    try back.writer.close()
    let reader = Pipe.Reader(adopting: back.reader.fileDescriptor.copy())
    let writer = Pipe.Writer(adopting: there.writer.fileDescriptor.copy())
    try back.reader.close()
    try there.writer.close()
    let channel = try Channel(reading: reader, writing: writer)
    try exchange(channel)
    channel.close()
    #expect(try python.value(timeout: generous) == ["\(Self.sizes.count) messages"])
  }

  @Test("Python echoes through an inherited socket")
  func inheritedSocket() throws {
    var sockets = try SocketPair()
    let python = try #require(ConnectionPeer.usual).start(
      "socket", "\(Command.firstPassedDescriptor)", passing: [sockets.second.fileDescriptor.rawValue])
    try sockets.second.close()
    let channel = try Channel(sockets.takeFirst())
    try sockets.first.close()
    try exchange(channel)
    channel.close()
    #expect(try python.value(timeout: generous) == ["\(Self.sizes.count) messages"])
  }

  @Test(
    "messages beyond 31 bits of length go both ways, whoever listens", .timeLimit(.minutes(5)), .serialized,
    arguments: Listening.allCases)
  func huge(_ listening: Listening) throws {
    try exchangeHuge(1 << 31 + 1, listening)
  }

  @Test(
    "messages beyond 32 bits of length go both ways, whoever listens", .timeLimit(.minutes(10)), .serialized,
    .enabled(if: getenv("INTERPROCESS_HUGE") != nil, "skipped: INTERPROCESS_HUGE=1 takes 12 GiB of memory"),
    arguments: Listening.allCases)
  func evenMoreHuge(_ listening: Listening) throws {
    try exchangeHuge(5 << 30, listening)
  }

  enum Listening: CaseIterable { case here, python }

  /// Sends messages to somebody who sends them back.
  private func exchange(_ channel: Channel) throws {
    for (number, size) in Self.sizes.enumerated() {
      let message = patterned(size, number)
      try channel.send(message, timeout: generous)
      #expect(try channel.receive(timeout: generous) == message, "\(size) bytes")
    }
  }

  private func exchangeHuge(_ size: Int, _ listening: Listening) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let options = Channel.Options(maximumMessageSize: size)
    let peer = try #require(ConnectionPeer.usual)
    guard listening == .here else {
      let python = peer.start("exchange-huge", path.string, "\(size)", timeout: Self.long)
      let channel = try connectWhenThere { try Channel(connectingTo: .path(path), options, timeout: generous) }
      try sendHuge(channel, size)
      try receiveHuge(channel, size)
      let printed = try python.value(timeout: Self.long)
      #expect(printed == ["thanks"])
      return
    }
    let listener = try ChannelListener(at: .path(path), options)
    let sender = peer.start("send-huge", path.string, "\(size)", timeout: Self.long)
    try receiveHuge(listener.accept(timeout: generous), size)
    let printed = try sender.value(timeout: Self.long)
    #expect(printed == ["thanks"])

    let receiver = peer.start("receive-huge", path.string, timeout: Self.long)
    try sendHuge(listener.accept(timeout: generous), size)
    _ = try receiver.value(timeout: generous)
    try ChannelListener.unlink(path)
  }

  private static let long = Duration.seconds(280)

  private func receiveHuge(_ channel: Channel, _ size: Int) throws {
    func byte(_ bytes: RawSpan, _ offset: Int) -> Int {
      Int(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
    }
    let ends = try channel.withReceivedMessage(timeout: Self.long) { bytes in
      [bytes.byteCount, byte(bytes, 0), byte(bytes, 1), byte(bytes, size - 1)]
    }
    #expect(ends == [size, 17, 0, 42])
    try channel.send(Array("thanks".utf8), timeout: generous)
  }

  private func sendHuge(_ channel: Channel, _ size: Int) throws {
    // Memory that is not touched is the kernel's one page of zeros.
    let memory = try Mapping.zeros(size)
    defer { munmap(memory.baseAddress, size) }
    (memory[0], memory[size - 1]) = (17, 42)
    try channel.send(UnsafeRawBufferPointer(memory).bytes, timeout: Self.long)
    #expect(try channel.receive(timeout: Self.long) == Array("\(size) 17 42".utf8))
  }
}

extension FileDescriptor {
  /// Another descriptor, which no program that is started meanwhile inherits.
  fileprivate func copy() -> OwnedDescriptor { OwnedDescriptor(adopting: fcntl(rawValue, F_DUPFD_CLOEXEC, 0)) }
}

extension Mapping {
  fileprivate static func zeros(_ size: Int) throws -> UnsafeMutableRawBufferPointer {
    let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard start != MAP_FAILED else { throw Errno(rawValue: errno) }
    return UnsafeMutableRawBufferPointer(start: start, count: size)
  }
}
