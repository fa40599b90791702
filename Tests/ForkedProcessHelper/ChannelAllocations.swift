import Glibc
import Interprocess
import Synchronization

/// Says how often a message calls `malloc`, sent or received by a task as a span: where nothing has to be waited for,
/// where each receive is waited for, and where sends wait for room. Two numbers each: for some messages, and for four
/// times as many. Run with `Benchmarks/Sources/CAllocations` loaded first. Argument: mechanism.
func channelAllocations(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  guard let symbol = dlsym(nil, "c_allocations") else { return say("nothing counts") }
  let count = unsafeBitCast(symbol, to: (@convention(c) () -> Int).self)
  for situation in Situation.allCases {
    var pair = try Channel.pair(over: mechanism)
    let run = Run(situation, try Channel(pair.takeFirst()), try Channel(pair.takeSecond()))
    try task { try await run.measure(count) }
  }
}

private enum Situation: String, CaseIterable {
  case ready
  case receiving
  case sending
}

/// A task at one end of a channel and, where that is to wait, a thread at the other, which is in no hurry.
private final class Run: Sendable {
  private let situation: Situation
  private let first: Channel
  private let second: Channel
  /// How many messages the task has asked for; the thread sends none before.
  private let asked = Atomic(0)
  private static let few = 100

  init(_ situation: Situation, _ first: Channel, _ second: Channel) {
    (self.situation, self.first, self.second) = (situation, first, second)
  }

  func measure(_ allocations: @convention(c) () -> Int) async throws {
    // By the first, what is kept is set up, and all room is taken.
    let counts = [2 * Self.few, Self.few, 4 * Self.few]
    let total = counts.reduce(0, +)
    let thread = situation == .ready ? nil : onThread { self.serve(total) }
    var perMessage: [Double] = []
    for count in counts {
      let before = allocations()
      for _ in 0..<count { try await one() }
      perMessage.append(Double(allocations() - before) / Double(count))
    }
    say("\(situation.rawValue) \(perMessage[1]) \(perMessage[2])")
    first.close()
    if let thread { pthread_join(thread, nil) }
  }

  /// Of eight kilobytes some are always more than there is room for soon, and a queue takes them as a whole.
  private var message: [UInt8] { Self.messages[situation == .sending ? 1 : 0] }
  private static let messages = [[UInt8](repeating: 7, count: 64), [UInt8](repeating: 7, count: 8000)]

  private func one() async throws {
    switch situation {
    case .ready:
      try await first.send(message.span.bytes, timeout: nil)
      try await take()
    case .receiving:
      asked.wrappingAdd(1, ordering: .relaxed)
      try await take()
    case .sending:
      try await first.send(message.span.bytes)
    }
  }

  private func take() async throws {
    let size = try await second.withReceivedMessage { $0.byteCount }
    guard size == message.count else { throw ChannelFailure(description: "\(size ?? -1) bytes came") }
  }

  private func serve(_ total: Int) {
    for number in 0..<total {
      // Until the task is suspended.
      while situation == .receiving && asked.load(ordering: .relaxed) <= number { usleep(10) }
      usleep(100)
      // Where this fails, the task's side does too.
      if situation == .receiving {
        try? first.send(message.span.bytes)
      } else {
        _ = try? second.withReceivedMessage { $0.byteCount }
      }
    }
  }
}
