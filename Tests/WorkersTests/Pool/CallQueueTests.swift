import Testing
import WorkerPrograms

@testable import Workers

@Suite("The queue of calls")
struct CallQueueTests {
  /// The same, done plainly.
  private struct Model {
    struct Entry {
      let call: CallID
      let priority: CallPriority
    }

    var entries: [Entry] = []

    var calls: [CallID] { entries.map(\.call) }

    mutating func insert(_ entry: Entry) {
      let index = entries.firstIndex {
        $0.priority < entry.priority || $0.priority == entry.priority && $0.call > entry.call
      }
      entries.insert(entry, at: index ?? entries.endIndex)
    }

    /// Filled anew.
    var queue: CallQueue {
      var queue = CallQueue()
      for entry in entries { queue.insert(entry.call, priority: entry.priority) }
      return queue
    }
  }

  /// A queue and its model, to which the same happens.
  private struct Pair {
    var queue = CallQueue()
    var model = Model()
    /// Taken out, one way or the other: a call may come back.
    private var gone: [Model.Entry] = []
    private var submitted = 0
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func submit() {
      let priority = [CallPriority.high, .medium, .medium, .low].randomElement(using: &generator) ?? .medium
      insert(Model.Entry(call: CallID(rawValue: submitted), priority: priority))
      submitted += 1
    }

    mutating func bringBack() {
      guard !gone.isEmpty else { return }
      insert(gone.remove(at: Int.random(in: gone.indices, using: &generator)))
    }

    private mutating func insert(_ entry: Model.Entry) {
      queue.insert(entry.call, priority: entry.priority)
      model.insert(entry)
    }

    mutating func take() {
      let expected = model.entries.first
      #expect(queue.removeFirst() == expected?.call)
      if let expected { gone.append(expected) }
      if !model.entries.isEmpty { model.entries.removeFirst() }
    }

    mutating func cancel() {
      guard let index = model.entries.indices.randomElement(using: &generator) else { return }
      let entry = model.entries.remove(at: index)
      queue.remove(entry.call, priority: entry.priority)
      gone.append(entry)
    }

    /// What is not there, or no more, changes nothing.
    mutating func cancelInVain() {
      if let entry = gone.randomElement(using: &generator) { queue.remove(entry.call, priority: entry.priority) }
      queue.remove(CallID(rawValue: submitted), priority: .medium)
    }

    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }
  }

  @Test("does what a plainly sorted array does, whatever is taken out and comes back", arguments: UInt64(0)..<6)
  func model(seed: UInt64) {
    var pair = Pair(seed: seed)
    for round in 0..<6 {
      // By turns it grows and shrinks: the room that is used no more is given up on the way.
      let isGrowing = round % 2 == 0
      for _ in 0..<400 {
        switch pair.number(below: 16) {
        case 0: pair.cancelInVain()
        case 1, 2: pair.bringBack()
        case 3, 4: pair.take()
        case 5...8: pair.cancel()
        case _ where isGrowing: pair.submit()
        default: pair.cancel()
        }
        #expect(pair.queue.first == pair.model.calls.first && pair.queue.count == pair.model.calls.count)
        #expect(pair.queue.isEmpty == pair.model.calls.isEmpty)
      }
      check(pair)
    }
    #expect(pair.queue.removeAll() == pair.model.calls)
    #expect(pair.queue.isEmpty && pair.queue.first == nil && pair.queue == CallQueue())
  }

  /// Equal queues are those in which the same calls wait in the same order, however they came to.
  private func check(_ pair: Pair) {
    #expect(pair.queue.calls == pair.model.calls)
    let same = pair.model.queue
    #expect(pair.queue == same && pair.queue.hashValue == same.hashValue)
    var other = pair.queue
    other.insert(CallID(rawValue: .max), priority: .low)
    #expect(other != pair.queue)
    while other.removeFirst() != nil {}
    #expect(other.isEmpty && pair.queue.calls == pair.model.calls, "the copy is one")
  }

  @Test(
    "calls cancelled from either end, or all but one, leave the others in their order",
    arguments: [1, 63, 64, 65, 1000])
  func cancelling(count: Int) {
    let all = (0..<count).map { CallID(rawValue: $0) }
    func queue(without cancelled: some Sequence<CallID>) -> CallQueue {
      var queue = CallQueue()
      for call in all { queue.insert(call, priority: .medium) }
      for call in cancelled { queue.remove(call, priority: .medium) }
      return queue
    }
    #expect(queue(without: all).isEmpty && queue(without: all.reversed()) == CallQueue())
    for kept in Set([0, count / 2, count - 1]) {
      var one = queue(without: all.filter { $0.rawValue != kept }.reversed())
      #expect(one.count == 1 && one.first == all[kept])
      #expect(one.removeFirst() == all[kept] && one.removeFirst() == nil)
    }
    let odd = queue(without: all.filter { $0.rawValue % 2 == 0 })
    #expect(odd.calls == all.filter { $0.rawValue % 2 == 1 })
  }
}
