/// Calls that wait: the highest priority first, and in each the lowest id.
///
/// A call that comes back, to be repeated, so stands before those submitted after it.
struct CallQueue: Hashable, Sendable {
  private var lanes: [Lane] = []

  var first: CallID? {
    for lane in lanes where !lane.isEmpty { return lane.first }
    return nil
  }

  var count: Int { lanes.reduce(0) { $0 + $1.count } }
  var isEmpty: Bool { lanes.allSatisfy(\.isEmpty) }

  /// In the order in which they are served.
  var calls: [CallID] { lanes.flatMap(\.calls) }

  mutating func insert(_ call: CallID, priority: CallPriority) {
    let index = lanes.firstIndex { $0.priority <= priority } ?? lanes.endIndex
    if index == lanes.endIndex || lanes[index].priority != priority {
      lanes.insert(Lane(priority: priority), at: index)
    }
    lanes[index].insert(call)
  }

  mutating func removeFirst() -> CallID? {
    for index in lanes.indices where !lanes[index].isEmpty { return lanes[index].removeFirst() }
    return nil
  }

  mutating func remove(_ call: CallID, priority: CallPriority) {
    guard let index = lanes.firstIndex(where: { $0.priority == priority }) else { return }
    lanes[index].remove(call)
  }

  mutating func removeAll() -> [CallID] {
    let all = calls
    lanes = []
    return all
  }

  // A lane is kept when it runs empty, since the next call comes soon; it makes no difference.
  static func == (left: CallQueue, right: CallQueue) -> Bool { left.calls == right.calls }
  func hash(into hasher: inout Hasher) { hasher.combine(calls) }
}

/// The calls of one priority, in growing order. Taking the first out costs the same however many wait, and so, on the
/// whole, does taking out any other: it keeps its place, unseen, until half of the places are of no use.
private struct Lane: Sendable {
  let priority: CallPriority
  /// From `head` on, those that wait and those of `removed`; the one at `head` waits.
  private var storage: [CallID] = []
  private var head = 0
  private var removed: Set<CallID> = []

  init(priority: CallPriority) { self.priority = priority }

  var calls: [CallID] { removed.isEmpty ? Array(storage[head...]) : storage[head...].filter { !removed.contains($0) } }
  var isEmpty: Bool { head == storage.count }
  var count: Int { storage.count - head - removed.count }
  var first: CallID? { isEmpty ? nil : storage[head] }

  mutating func insert(_ call: CallID) {
    guard removed.isEmpty || removed.remove(call) == nil else { return }
    let position = position(of: call)
    if position == storage.count { storage.append(call) } else { storage.insert(call, at: position) }
  }

  mutating func remove(_ call: CallID) {
    let index = position(of: call)
    guard index < storage.count, storage[index] == call, removed.insert(call).inserted else { return }
    tidy()
  }

  mutating func removeFirst() -> CallID? {
    guard let call = first else { return nil }
    head += 1
    tidy()
    return call
  }

  /// Where the call stands, or belongs. Most are appended.
  private func position(of call: CallID) -> Int {
    var low = head
    var high = storage.count
    if let last = storage.last, last < call { return high }
    while low < high {
      let middle = low + (high - low) / 2
      if storage[middle] < call { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private mutating func tidy() {
    while !removed.isEmpty, head < storage.count, removed.remove(storage[head]) != nil { head += 1 }
    let unused = head + removed.count
    guard unused >= 64, unused * 2 >= storage.count else { return }
    if isEmpty { storage.removeAll(keepingCapacity: true) } else { storage = calls }
    head = 0
    removed = []
  }
}
