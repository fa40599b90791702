import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// A pseudo-random message whose content says its number and size.
func patterned(_ size: Int, _ seed: Int) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    for index in 0..<size { buffer[index] = UInt8(truncatingIfNeeded: (index &* 31) ^ (index >> 8) ^ seed) }
    count = size
  }
}

/// Both ends of a channel, in one process.
struct Ends {
  let first: Channel
  let second: Channel

  init(_ mechanism: Mechanism, _ options: Channel.Options = .init()) throws {
    var pair = try Channel.pair(over: mechanism)
    first = try Channel(pair.takeFirst(), options)
    second = try Channel(pair.takeSecond(), options)
  }
}

@Suite("Channel", .blocking, .queues(2))
struct ChannelTests {
  static let sizes = [0, 1, 7, 8, 4095, 8191, 8192, 8193, 65535, 65536, 65537, 131_060, 300_000, 3_000_000]

  @Test("messages of every size arrive whole and in order, over every mechanism", arguments: Mechanism.allCases)
  func sizes(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let sender = Background {
      for (number, size) in Self.sizes.enumerated() { try ends.first.send(patterned(size, number), timeout: generous) }
      ends.first.close()
    }
    for (number, size) in Self.sizes.enumerated() {
      let message = try ends.second.receive(timeout: generous)
      #expect(message == patterned(size, number), "\(mechanism), \(size) bytes")
    }
    #expect(try ends.second.receive(timeout: generous) == nil)
    try sender.value()
  }

  /// What fits into one call or one piece, and what is one more; then messages that begin at any place in a page.
  static let limits = [
    0, 1008, 1009, 2032, 2033, 8175, 8176, 8177, 8192, 16380, 16381, 16384, 32768, 32769, 65528, 65529, 65532, 65533,
  ]

  @Test("messages at every limit and at any address arrive whole, without a timeout", arguments: Mechanism.allCases)
  func limits(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let memory = patterned(3 * 4096 + 70_000, 5)
    let pieces =
      Self.limits.map { 0..<$0 } + [0, 1, 47, 2047, 2048, 2049, 4095].map { $0..<($0 + 70_000) } + [5..<9, 0..<0]
    let sender = Background {
      try memory.withUnsafeBytes { bytes in
        // As far as the next page begins.
        let start =
          Int(bitPattern: bytes.baseAddress).isMultiple(of: 4096) ? 0 : 4096 - Int(bitPattern: bytes.baseAddress) % 4096
        for piece in pieces {
          let place = (start + piece.lowerBound)..<(start + piece.upperBound)
          try ends.first.send(UnsafeRawBufferPointer(rebasing: bytes[place]).bytes)
        }
        return start
      }
    }
    var received: [[UInt8]] = []
    for _ in pieces { received.append(try #require(try ends.second.receive())) }
    let start = try sender.value()
    for (piece, message) in zip(pieces, received) {
      #expect(message == Array(memory[(start + piece.lowerBound)..<(start + piece.upperBound)]), "\(piece)")
    }
  }

  @Test("what wakes a receiver over a POSIX queue carries none of this process's memory")
  func wakes() throws {
    var pair = try Channel.pair(over: .posixMessageQueue)
    let first = try Channel(pair.takeFirst())
    let second = try pair.takeSecond()
    let numbers = second.fileDescriptors.map(\.rawValue)
    // It says that it sends nothing more, and takes the message by which the other side wakes its receiver.
    #expect(write(numbers[0], [1], 1) == 1)
    var (buffer, deadline) = ([UInt8](repeating: 1, count: 8192), timespec())
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += 10
    // The first queue goes there, the second one back.
    let count = ci_mq_receive(numbers[2], &buffer, buffer.count, nil, &deadline)
    // It is as long as messages of this queue are, which is less where queues have little room left.
    #expect(count > 16 && buffer.prefix(max(0, count)).dropLast(16).allSatisfy { $0 == 0 }, "\(count)")
    first.close()
    _ = second.isFirst
  }

  @Test("both directions at once, without a timeout", arguments: Mechanism.allCases.filter(\.isTwoWay))
  func bothWays(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let echo = Background {
      while let message = try ends.second.receive() { try ends.second.send(message) }
      ends.second.close()
    }
    for number in 0..<200 {
      let message = patterned(number * 97, number)
      try ends.first.send(message)
      #expect(try ends.first.receive() == message)
    }
    ends.first.close()
    try echo.value()
  }

  @Test("a mailbox goes one way", arguments: Mechanism.allCases.filter { !$0.isTwoWay })
  func mailbox(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    #expect(throws: ChannelError.self) { try ends.second.send([1]) }
    #expect(throws: ChannelError.self) { try ends.first.receive() }
  }

  @Test("closing removes a System V queue that is empty: its receiver may be killed before it does")
  func emptyQueue() throws {
    var pair = try Channel.pair(over: .systemVMessageQueue)
    let end = try pair.takeFirst()
    let numbers = end.description[3..<7]
    let there = SystemVMessageQueue(
      id: numbers.reversed().reduce(0) { $0 << 8 | CInt($1) })
    let first = try Channel(end)
    let second = try Channel(pair.takeSecond())
    try first.send([1])
    #expect(try second.receive(timeout: generous) == [1])
    #expect(try there.status().messages == 0)
    first.close()
    #expect(throws: InterprocessError.self) { try there.status() }
    #expect(try second.receive(timeout: generous) == nil)
  }

  @Test("a slow receiver makes the sender wait, and a wait ends with its timeout", arguments: Mechanism.allCases)
  func backPressure(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let message = patterned(1000, 3)
    var sent = 0
    do {
      while sent < 100_000 {
        try ends.first.send(message, timeout: .milliseconds(50))
        sent += 1
      }
    } catch {
      #expect(error.isTimeout, "\(error)")
    }
    #expect(sent > 0 && sent < 10_000, "\(mechanism) took \(sent) messages")
    for _ in 0..<sent { #expect(try ends.second.receive(timeout: generous) == message) }
  }

  @Test("a receive that times out loses nothing", arguments: Mechanism.allCases)
  func receiveTimeout(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    do {
      _ = try ends.second.receive(timeout: .milliseconds(20))
      Issue.record("nothing was sent, and something came")
    } catch { #expect(error.isTimeout, "\(error)") }
    try ends.first.send([1, 2, 3])
    #expect(try ends.second.receive(timeout: generous) == [1, 2, 3])
  }

  @Test("a message above the maximum is refused on both sides", arguments: Mechanism.allCases)
  func tooLarge(_ mechanism: Mechanism) throws {
    var pair = try Channel.pair(over: mechanism)
    let first = try Channel(pair.takeFirst(), .init(maximumMessageSize: 1 << 20))
    let second = try Channel(pair.takeSecond(), .init(maximumMessageSize: 1000))
    #expect(throws: ChannelError.self) { try first.send(patterned(1 << 20 + 1, 0)) }
    try first.send(patterned(1001, 0), timeout: generous)
    do {
      _ = try second.receive(timeout: generous)
      Issue.record("it came")
    } catch { #expect(error.code == .messageTooLarge, "\(error)") }
  }

  @Test("after a message that timed out half-way, queues and rings go on, and streams say that they cannot")
  func givenUp() throws {
    for mechanism in Mechanism.allCases {
      let ends = try Ends(mechanism)
      do {
        try ends.first.send(patterned(10_000_000, 1), timeout: .milliseconds(50))
        Issue.record("\(mechanism) holds ten megabytes")
      } catch { #expect(error.isTimeout, "\(error)") }
      let reader = Background { () -> [UInt8]? in
        do {
          return try ends.second.receive(timeout: generous)
        } catch let error as ChannelError where error.code == .truncatedMessage {
          return nil
        }
      }
      do {
        try ends.first.send([9], timeout: generous)
        #expect(try reader.value() == [9], "\(mechanism)")
      } catch let error as ChannelError {
        #expect(error.code == .brokenStream, "\(mechanism): \(error)")
        ends.first.close()
        #expect(try reader.value() == nil)
      }
    }
  }

  @Test("sending to a side that has closed says so", arguments: Mechanism.allCases)
  func sendingToClosed(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    ends.second.close()
    do {
      for _ in 0..<100_000 { try ends.first.send(patterned(1000, 0), timeout: generous) }
      Issue.record("\(mechanism) went on")
    } catch { #expect(error.code == .peerClosed, "\(mechanism): \(error)") }
  }

  @Test("a receiver that waits without a timeout learns that the other side closed", arguments: Mechanism.allCases)
  func closingWakes(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let receiver = Background { try ends.second.receive() }
    usleep(50_000)
    ends.first.close()
    #expect(try receiver.value() == nil)
  }

  @Test("a closed channel refuses", arguments: Mechanism.allCases)
  func closed(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    ends.first.close()
    ends.first.close()
    #expect(throws: ChannelError.self) { try ends.first.send([1]) }
  }

  @Test("many threads share a channel, and every message comes once", arguments: Mechanism.allCases)
  func manyThreads(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let senders = (0..<4).map { sender in
      Background {
        for number in 0..<200 { try ends.first.send([UInt8(sender), UInt8(number)], timeout: generous) }
      }
    }
    let receivers = (0..<3).map { _ in
      Background { () -> [[UInt8]] in
        var messages: [[UInt8]] = []
        while let message = try ends.second.receive(timeout: generous) { messages.append(message) }
        return messages
      }
    }
    for sender in senders { try sender.value() }
    ends.first.close()
    let all = try receivers.flatMap { try $0.value() }
    #expect(all.count == 800)
    #expect(Set(all).count == 800)
  }

  @Test("descriptors travel with their message, and those nobody takes are closed")
  func descriptors() throws {
    let ends = try Ends(.socketPair)
    var pipe = try Pipe()
    try ends.first.send([1])
    try ends.first.send([2], passing: [pipe.writer.fileDescriptor])
    try ends.first.send([3], passing: [pipe.writer.fileDescriptor, pipe.reader.fileDescriptor])
    try ends.first.send([4])
    try pipe.writer.close()
    var received = ReceivedDescriptors(atMost: 2)
    #expect(try ends.second.receive(receiving: &received, timeout: generous) == [1])
    #expect(received.count == 0)
    #expect(try ends.second.receive(receiving: &received, timeout: generous) == [2])
    #expect(received.count == 1)
    if let descriptor = received.takeFirst() {
      let writer = Pipe.Writer(adopting: descriptor)
      try writer.write(Array("hello".utf8))
    }
    #expect(try ends.second.receive(timeout: generous) == [3])
    #expect(try ends.second.receive(receiving: &received, timeout: generous) == [4])
    #expect(received.count == 0)
    // Every copy of the writing end is closed: the reader sees the end.
    #expect(try pipe.reader.read(upTo: 100, timeout: generous) == Array("hello".utf8))
    #expect(try pipe.reader.read(upTo: 100, timeout: generous) == [])
  }

  @Test("many descriptors of a message whose beginning comes with another's end all arrive")
  func manyDescriptors() throws {
    let ends = try Ends(.socketPair)
    let pipe = try Pipe()
    let descriptors = [FileDescriptor](repeating: pipe.writer.fileDescriptor, count: 200)
    let sizes = [100_000, 40_000, 3, 100_000, 5]
    let sender = Background {
      for size in sizes { try ends.first.send(patterned(size, 1), passing: descriptors, timeout: generous) }
    }
    for size in sizes {
      var received = ReceivedDescriptors()
      #expect(try ends.second.receive(receiving: &received, timeout: generous) == patterned(size, 1))
      #expect(received.count == 200, "\(size)")
    }
    try sender.value()
  }

  @Test("descriptors that nobody took are closed when their message has been received, and not later")
  func untakenDescriptors() throws {
    let ends = try Ends(.socketPair)
    let looking = { try ends.second.receive(lookingUntil: 0, while: { true }) }
    for receive in [{ try ends.second.receive(timeout: generous) }, looking] {
      var pipe = try Pipe()
      try ends.first.send([1], passing: [pipe.writer.fileDescriptor])
      try pipe.writer.close()
      #expect(try receive() == [1])
      #expect(try pipe.reader.read(upTo: 1, timeout: generous) == [])
    }
  }

  @Test("mechanisms that cannot carry descriptors say so")
  func noDescriptors() throws {
    let ends = try Ends(.ring)
    do {
      try ends.first.send([1], passing: [.standardInput])
      Issue.record("it was sent")
    } catch { #expect(error.code == .notPossible) }
  }

  @Test("strangers connect, over every mechanism", arguments: Mechanism.allCases)
  func strangers(_ mechanism: Mechanism) throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try ChannelListener(at: address, offering: mechanism)
    let client = Background {
      let channel = try Channel(connectingTo: address, over: mechanism, timeout: generous)
      try channel.send(patterned(100_000, 5), timeout: generous)
      if mechanism.isTwoWay { #expect(try channel.receive(timeout: generous) == [7]) }
    }
    let channel = try listener.accept(timeout: generous)
    #expect(try channel.receive(timeout: generous) == patterned(100_000, 5))
    if mechanism.isTwoWay { try channel.send([7]) }
    try client.value()
    #expect(try channel.receive(timeout: generous) == nil)
  }

  @Test("a stranger that asks for another mechanism learns which is offered")
  func otherMechanism() throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try ChannelListener(at: address, offering: .pipe)
    let client = Background { try Channel(connectingTo: address, over: .ring, timeout: generous) }
    _ = try listener.accept(timeout: generous)
    do {
      _ = try client.value()
      Issue.record("it connected")
    } catch { #expect("\(error)".contains("offers pipe, not ring")) }
  }

  @Test("garbage in place of a message throws and takes no memory")
  func garbage() throws {
    for bytes: [UInt8] in [
      [0xFF, 0xFF, 0xFF, 0x00], [0x7F, 0xFF, 0xFF, 0xFF],
      [0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 1, 0] + .init(repeating: 0, count: 8),
    ] {
      var sockets = try SocketPair()
      let channel = try Channel(sockets.takeFirst())
      try sockets.second.write(bytes)
      #expect(throws: ChannelError.self) { try channel.receive(timeout: generous) }
    }
  }

  @Test("a stream that ends in a message throws, and one that ends between messages ends")
  func truncated() throws {
    var sockets = try SocketPair()
    let channel = try Channel(sockets.takeFirst())
    try sockets.second.write([0, 0, 0, 1, 42, 0, 0, 0, 9, 1])
    try sockets.second.close()
    #expect(try channel.receive(timeout: generous) == [42])
    do {
      _ = try channel.receive(timeout: generous)
      Issue.record("it came")
    } catch { #expect(error.code == .truncatedMessage, "\(error)") }
  }
}

extension SocketPair {
  mutating func takeFirst() throws -> UnixSocket {
    UnixSocket(adopting: OwnedDescriptor(adopting: fcntl(first.fileDescriptor.rawValue, F_DUPFD_CLOEXEC, 0)))
  }
}
