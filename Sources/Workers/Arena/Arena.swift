import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Memory by which large arrays reach workers: copied once, into a block that both sides have mapped, and that is used
/// again when the call is over. Workers can only read it.
final class Arena: Sendable {
  /// Below, a message costs no more than what says where the block is.
  static let smallestArray = 256 << 10

  private struct State {
    /// The block used last is last: its pages are the warmest.
    var free: [(block: ArenaBlock, since: ContinuousClock.Instant)] = []
    /// Somebody will come to look for blocks that nobody has used for long.
    var isTrimTimed = false
    var lastID: UInt64 = 0
    var isClosed = false
  }

  /// How many blocks are kept that no call needs, and for how long.
  private let mostFree: Int
  private let longestRest: Duration
  /// Told of each block that will not be used again.
  private let onDrop: @Sendable (UInt64) -> Void
  private let state = Mutex(State())

  init(mostFree: Int, longestRest: Duration = .seconds(10), onDrop: @escaping @Sendable (UInt64) -> Void) {
    self.mostFree = mostFree
    self.longestRest = longestRest
    self.onDrop = onDrop
  }

  /// A value as an array that is worth a block.
  static func largeArray<Value>(_ value: Value) -> (any PlainArray)? {
    plainArray(value).flatMap { $0.plainByteCount >= smallestArray && isPlain($0) ? $0 : nil }
  }

  private static func isPlain<Elements: PlainArray>(_: Elements) -> Bool {
    Elements.plainStride.map { $0 > 0 } ?? false
  }

  /// Copies an array into a block, where there is memory for one.
  func place(_ array: any PlainArray) -> ArenaLease? {
    guard let block = take(array.plainByteCount) else { return nil }
    array.copyPlainBytes(to: block.bytes)
    return ArenaLease(block, in: self)
  }

  private func take(_ count: Int) -> ArenaBlock? {
    let (recycled, id) = state.withLock { state -> (ArenaBlock?, UInt64) in
      if let index = state.free.lastIndex(where: { Self.isFit($0.block.byteCount, for: count) }) {
        return (state.free.remove(at: index).block, 0)
      }
      state.lastID += 1
      return (nil, state.lastID)
    }
    return recycled ?? ArenaBlock(id: id, byteCount: Self.size(for: count))
  }

  /// A block much too large would be missing where it is needed.
  static func isFit(_ room: Int, for count: Int) -> Bool { room >= count && room / 4 <= count }

  /// An eighth of a power of two at a time, so that arrays of about the same size share blocks.
  static func size(for count: Int) -> Int {
    let step = max(smallestArray, (1 << (Int.bitWidth - 1 - count.leadingZeroBitCount)) / 8)
    return (count + step - 1) / step * step
  }

  fileprivate func giveBack(_ block: ArenaBlock, isKept: Bool) {
    let dropped = state.withLock { state -> ArenaBlock? in
      if isKept || state.isClosed { return block }
      state.free.append((block, .now))
      awaitRest(&state)
      return state.free.count > mostFree ? state.free.removeFirst().block : nil
    }
    if let dropped { onDrop(dropped.id) }
  }

  private func awaitRest(_ state: inout State) {
    guard !state.isTrimTimed, let first = state.free.first, let reactor = try? Reactor.shared() else { return }
    state.isTrimTimed = true
    reactor.watch(nil, by: Deadline(longestRest - (.now - first.since))) { [weak self] _ in self?.trim() }
  }

  /// Frees what has not been used for long.
  private func trim() {
    let now = ContinuousClock.now
    let rested = state.withLock { state in
      let count = state.free.firstIndex { now - $0.since < longestRest } ?? state.free.count
      let rested = state.free.prefix(count).map(\.block)
      state.free.removeFirst(count)
      state.isTrimTimed = false
      awaitRest(&state)
      return rested
    }
    for block in rested { onDrop(block.id) }
  }

  /// How many bytes are kept that no call needs.
  var freeByteCount: Int { state.withLock { $0.free.reduce(0) { $0 + $1.block.byteCount } } }

  /// Frees what no call needs; what one does is freed after it.
  func close() {
    let free = state.withLock { state in
      state.isClosed = true
      defer { state.free = [] }
      return state.free.map(\.block)
    }
    for block in free { onDrop(block.id) }
  }
}

/// Memory of an ``Arena``, in a memfd.
final class ArenaBlock: Sendable {
  let id: UInt64
  private let mapping: Mapping
  /// For workers.
  let readOnly: OwnedDescriptor

  var byteCount: Int { mapping.byteCount }

  init?(id: UInt64, byteCount: Int) {
    guard let memory = try? AnonymousMemory(byteCount: byteCount, label: "interprocess-arena") else { return nil }
    let readOnly = OwnedDescriptor(
      adopting: ci_open("/proc/self/fd/\(memory.descriptor.rawValue)", O_RDONLY | O_CLOEXEC, 0))
    if readOnly.isClosed { return nil }
    self.id = id
    mapping = memory.takeMapping()
    self.readOnly = readOnly
  }

  /// For the one who has taken it, and as long as the block is there.
  var bytes: UnsafeMutableRawBufferPointer { mapping.withUnsafeBytes { $0 } }
}

/// A block with an array in it, until the call is over that needs it: its caller, and the worker it was sent to, let go.
final class ArenaLease: Sendable {
  let block: ArenaBlock
  private let arena: Arena
  private let isKept = Atomic(false)

  init(_ block: ArenaBlock, in arena: Arena) {
    self.block = block
    self.arena = arena
  }

  /// The worker's code has stored the array: its memory is the worker's now, and never changes.
  func keep() { isKept.store(true, ordering: .relaxed) }

  deinit { arena.giveBack(block, isKept: isKept.load(ordering: .relaxed)) }
}
