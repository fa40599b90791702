import BenchmarkSupport
import CAllocations
import Glibc
import Interprocess

/// How often a message, sent on one thread and received on another, allocates over a channel.
enum ChannelAllocations {
  static func perMessage(over mechanism: Mechanism, byteCount: Int) throws -> Double {
    let count = byteCount > 1 << 16 ? 50 : 2000
    var pair = try Channel.pair(over: mechanism)
    let sender = Sender(try Channel(pair.takeFirst()), byteCount: byteCount, count: 2 * count)
    let receiver = try Channel(pair.takeSecond())
    let thread = sender.start()
    // The memory that is kept from message to message is taken by the first ones.
    try receive(receiver, count, byteCount)
    let before = c_allocations()
    try receive(receiver, count, byteCount)
    let allocations = c_allocations() - before
    pthread_join(thread, nil)
    return Double(allocations) / Double(count)
  }

  private static func receive(_ channel: Channel, _ count: Int, _ byteCount: Int) throws {
    for _ in 0..<count {
      let received = try channel.withReceivedMessage { $0.byteCount }
      guard received == byteCount else { throw Failure("another message came") }
    }
  }
}

/// What the thread that sends has.
private final class Sender: Sendable {
  private let channel: Channel
  private let byteCount: Int
  private let count: Int

  init(_ channel: Channel, byteCount: Int, count: Int) {
    (self.channel, self.byteCount, self.count) = (channel, byteCount, count)
  }

  func start() -> pthread_t {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        argument.map { Unmanaged<Sender>.fromOpaque($0).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    return thread
  }

  private func run() {
    let message = [UInt8](repeating: 7, count: byteCount)
    // Where sending fails, receiving does too.
    for _ in 0..<count { try? channel.send(message.span.bytes) }
  }
}
