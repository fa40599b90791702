import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// The async forms that take spans: each carries a message, waits for one, and is cancelled without one.
@Suite("Spans, from tasks", .queues(), .timeLimit(.minutes(5)))
struct AsyncSpanTests {
  @Test("a POSIX queue fills a buffer that is given to it")
  func posixQueue() async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    try await queue.send(([1, 2] as [UInt8]).span.bytes, priority: 3)
    let full = await #expect(throws: InterprocessError.self) {
      try await queue.send(([3] as [UInt8]).span.bytes, timeout: .milliseconds(5))
    }
    #expect(full?.call == "mq_send" && full?.isTimeout == true)
    let buffer = Buffer(16)
    #expect(try await buffer.fill { try await queue.receive(into: &$0, timeout: generous) } == 3)
    #expect(buffer.content == [1, 2])
    let empty = await #expect(throws: InterprocessError.self) {
      try await buffer.fill { try await queue.receive(into: &$0, timeout: .milliseconds(5)) }
    }
    #expect(empty?.call == "mq_receive" && empty?.isTimeout == true)
    let waiting = Task {
      let queue = try POSIXMessageQueue(opening: name)
      return try await Buffer(16).fill { try await queue.receive(into: &$0) }
    }
    try await Task.sleep(for: .milliseconds(20))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
  }

  @Test("a System V queue fills a buffer that is given to it, waiting or not")
  func systemVQueue() async throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    defer { try? queue.remove() }
    let buffer = Buffer(4)
    try await queue.send(([1, 2] as [UInt8]).span.bytes, type: 7)
    #expect(try await buffer.fill { try await queue.receive(into: &$0) } == 7)
    #expect(buffer.content == [1, 2])

    let waiting = Task {
      let buffer = Buffer(4)
      let type = try await buffer.fill {
        try await SystemVMessageQueue(id: id).receive(.type(9), into: &$0, truncating: true, timeout: generous)
      }
      return (type, buffer.content)
    }
    try await Task.sleep(for: .milliseconds(10))
    try await queue.send(([1, 2, 3, 4, 5] as [UInt8]).span.bytes, type: 9)
    #expect(try await waiting.value == (9, [1, 2, 3, 4]))

    try await queue.send(([1, 2, 3, 4, 5] as [UInt8]).span.bytes, type: 9)
    let long = await #expect(throws: InterprocessError.self) {
      try await buffer.fill { try await queue.receive(into: &$0) }
    }
    #expect(long?.errno == .argListTooLong)
    while try queue.trySend([UInt8](repeating: 0, count: 8192).span.bytes, type: 1) {}
    let sending = Task {
      try await SystemVMessageQueue(id: id).send([UInt8](repeating: 8, count: 8192).span.bytes, type: 8)
    }
    _ = try await queue.receive(.type(1), timeout: generous)
    _ = try await queue.receive(.type(8), timeout: generous)
    try await sending.value
  }

  @Test("a message socket fills a buffer that is given to it, and takes descriptors")
  func messageSocket() async throws {
    let pair = try MessageSocket.pair(.sequencedPacket)
    let pipe = try Pipe()
    let buffer = Buffer(8)
    try await pair.first.send(([1, 2] as [UInt8]).span.bytes, timeout: generous)
    let arrival = try await buffer.fill { try await pair.second.receive(into: &$0, timeout: generous) }
    #expect(arrival?.count == 2)
    #expect(buffer.content == [1, 2])
    try await pair.first.send(([3] as [UInt8]).span.bytes, passing: [pipe.reader.fileDescriptor])
    var received = ReceivedDescriptors(atMost: 1)
    let second = try await buffer.fill { try await pair.second.receive(into: &$0, receiving: &received) }
    #expect(second?.count == 1)
    let count = received.count
    #expect(count == 1)
    let nothing = await #expect(throws: InterprocessError.self) {
      try await buffer.fill { try await pair.second.receive(into: &$0, timeout: .milliseconds(5)) }
    }
    #expect(nothing?.isTimeout == true)
  }

  @Test("a stream socket fills a buffer that is given to it, and takes descriptors")
  func streamSocket() async throws {
    let pair = try SocketPair()
    let pipe = try Pipe()
    let buffer = Buffer(8)
    let sent: [UInt8] = [4, 5]
    try await pair.first.write(sent.span.bytes, passing: [pipe.reader.fileDescriptor], timeout: generous)
    var received = ReceivedDescriptors(atMost: 1)
    let came = try await buffer.fill { try await pair.second.read(into: &$0, receiving: &received, timeout: generous) }
    let count = received.count
    #expect((came, count) == (2, 1))
    #expect(buffer.content == [4, 5])
    let nothing = await #expect(throws: InterprocessError.self) {
      try await buffer.fill {
        try await pair.second.read(into: &$0, receiving: &received, timeout: .milliseconds(5))
      }
    }
    #expect(nothing?.isTimeout == true)
  }
}

/// Memory of the test's own, that an async form may fill.
private final class Buffer: @unchecked Sendable {
  // Sendable: each test uses its buffers one call at a time.
  private let storage: UnsafeMutableRawBufferPointer
  private var count = 0

  init(_ capacity: Int) { storage = .allocate(byteCount: capacity, alignment: 1) }

  deinit { storage.deallocate() }

  var content: [UInt8] { Array(storage[..<count]) }

  nonisolated(nonsending) func fill<Result>(
    _ body: nonisolated(nonsending) (inout OutputRawSpan) async throws -> Result
  ) async throws -> Result {
    var span = OutputRawSpan(buffer: storage, initializedCount: 0)
    let result = try await body(&span)
    count = span.finalize(for: storage)
    return result
  }
}
