public import Synchronization

/// Which bytes of a file are locked through one descriptor: the kernel would take a second lock for a change of the
/// first.
@usableFromInline
struct HeldRanges: ~Copyable, Sendable {
  static let everything = 0..<Int.max

  /// Mostly it is the whole file that is locked, which costs no more than this word; the ranges have a lock of their own.
  @usableFromInline let state = Atomic<State>(.nothing)
  private let ranges = Mutex<[Range<Int>]>([])

  @usableFromInline
  enum State: UInt8, AtomicRepresentable, Sendable {
    case nothing
    case everything
    case ranges
  }

  /// - Returns: whether nothing of it was there before; otherwise nothing is inserted.
  @inlinable
  func insertEverything() -> Bool { replace(.nothing, by: .everything) }

  @inlinable
  func removeEverything() { state.store(.nothing, ordering: .releasing) }

  /// - Returns: whether nothing of it was there before; otherwise nothing is inserted.
  func insert(_ range: Range<Int>) -> Bool {
    if range == Self.everything { return insertEverything() }
    return ranges.withLock { ranges in
      if ranges.isEmpty, !replace(.nothing, by: .ranges) { return false }
      if ranges.contains(where: { $0.overlaps(range) }) { return false }
      ranges.append(range)
      return true
    }
  }

  /// Removes what was inserted.
  func remove(_ range: Range<Int>) {
    if range == Self.everything { return removeEverything() }
    ranges.withLock { ranges in
      ranges.removeAll { $0 == range }
      if ranges.isEmpty { removeEverything() }
    }
  }

  /// Pairs with the releases in `remove`, as a lock's would.
  @inlinable
  func replace(_ old: State, by new: State) -> Bool {
    state.compareExchange(expected: old, desired: new, ordering: .acquiring).exchanged
  }
}
