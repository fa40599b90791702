import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// What a stream does differently with messages that are longer than what it reads ahead.
@Suite("Channel, long messages over streams", .blocking)
struct ChannelLongMessageTests {
  static let streams: [Mechanism] = [.file, .pipe, .namedPipe, .socketPair, .unixSocket]

  @Test("a long message's end comes with the head of the next one, whatever that is", arguments: streams)
  func heads(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    // Of a file the longest piece: where it finds no room at first there has to be some in the end.
    let pieces = [524_288, 1, 524_288, 524_287, 524_289, 524_288]
    let sizes =
      [40_000, 40_000, 0, 40_000, 1, 2, 100_000, 3, 32_764, 32_768, 32_769, 2_000_000, 2_000_000, 5, 70_000] + pieces
    let sender = Background {
      for (number, size) in sizes.enumerated() { try ends.first.send(patterned(size, number), timeout: generous) }
      ends.first.close()
    }
    // By now all that there is room for has come.
    usleep(20_000)
    for (number, size) in sizes.enumerated() {
      #expect(try ends.second.receive(timeout: generous) == patterned(size, number), "\(number): \(size) bytes")
    }
    #expect(try ends.second.receive(timeout: generous) == nil)
    try sender.value()
  }

  @Test("descriptors come with a message whose head came with a long one's end")
  func descriptors() throws {
    let ends = try Ends(.socketPair)
    let pipe = try Pipe()
    let sender = Background {
      for count in 0..<20 {
        try ends.first.send(patterned(40_000, count), timeout: generous)
        let passed = [FileDescriptor](repeating: pipe.writer.fileDescriptor, count: count)
        try ends.first.send([UInt8(count)], passing: passed, timeout: generous)
      }
    }
    for count in 0..<20 {
      var received = ReceivedDescriptors()
      #expect(try ends.second.receive(receiving: &received, timeout: generous) == patterned(40_000, count))
      #expect(received.count == 0)
      #expect(try ends.second.receive(receiving: &received, timeout: generous) == [UInt8(count)])
      #expect(received.count == count)
    }
    try sender.value()
  }

  @Test(
    "without a limit, no claim is too large to be reckoned with", arguments: [UInt64(Int.max), UInt64(Int.max) - 3])
  func claims(_ claimed: UInt64) throws {
    var sockets = try SocketPair()
    let channel = try Channel(sockets.takeFirst(), .init(maximumMessageSize: .max))
    try sockets.second.write(
      [0xFF, 0xFF, 0xFF, 0xFF] + withUnsafeBytes(of: claimed.bigEndian, Array.init) + [1, 2, 3])
    try sockets.second.close()
    let error = #expect(throws: ChannelError.self) { try channel.receive(timeout: generous) }
    #expect(error?.code == .truncatedMessage, "\(claimed)")
  }

  @Test("a pipe holds more from its first message of a page on, and not before")
  func wide() throws {
    let pipe = try Pipe()
    let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: dup(pipe.reader.fileDescriptor.rawValue)))
    let before = try reader.capacity()
    let sender = try Channel(writing: pipe.writer)
    let receiver = try Channel(reading: pipe.reader)
    try sender.send(patterned(4000, 1), timeout: generous)
    #expect(try receiver.receive(timeout: generous) == patterned(4000, 1))
    #expect(try reader.capacity() == before)
    // More than there was room for, and nobody receives.
    try sender.send(patterned(2 * before, 2), timeout: generous)
    #expect(try reader.capacity() > 2 * before)
    #expect(try receiver.receive(timeout: generous) == patterned(2 * before, 2))
  }

  @Test("a pipe that was made to hold more is left as it is")
  func wider() throws {
    let pipe = try Pipe()
    let capacity = try pipe.writer.setCapacity(1 << 20)
    let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: dup(pipe.reader.fileDescriptor.rawValue)))
    let sender = try Channel(writing: pipe.writer)
    try sender.send(patterned(100_000, 1), timeout: generous)
    #expect(try reader.capacity() == capacity)
  }

  @Test("a pipe that was made to hold less is left as it is")
  func narrow() throws {
    let pipe = try Pipe()
    let capacity = try pipe.writer.setCapacity(4096)
    let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: dup(pipe.reader.fileDescriptor.rawValue)))
    let sender = try Channel(writing: pipe.writer)
    #expect(throws: ChannelError.self) { try sender.send(patterned(100_000, 1), timeout: .milliseconds(10)) }
    #expect(try reader.capacity() == capacity)
  }
}
