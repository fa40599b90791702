import CInterprocess
import Glibc
import Synchronization

/// Lets one caller at a time use one direction of a channel, however long it takes, whether it blocks a thread or
/// suspends a task; the others wait in the order they came.
final class Turn: Sendable {
  private enum Waiter {
    case thread(Parked)
    case task(CheckedContinuation<Void, any Error>)
  }

  private struct State {
    var waiters: [(id: UInt64, waiter: Waiter)] = []
    var lastID: UInt64 = 0
    /// Tasks that are about to wait, and why one shall not any more.
    var arriving: [UInt64: (any Error)?] = [:]
  }

  /// A thread that waits, by a futex of its own.
  private final class Parked: @unchecked Sendable {
    // Sendable: nothing but an atomic, which lies still so that the kernel can wait for it.
    let word = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)

    init() { word.initialize(to: Atomic(0)) }

    deinit {
      word.deinitialize(count: 1)
      word.deallocate()
    }
  }

  private static let free: UInt8 = 0
  private static let taken: UInt8 = 1
  /// Taken, and somebody waits: whoever is done has to look who.
  private static let wanted: UInt8 = 2

  private let word = Atomic<UInt8>(free)
  private let state = Mutex(State())

  /// Whether the turn was free and is the caller's now.
  @inline(__always)
  private func takeIfFree() -> Bool {
    // It pairs with release() and handOver(). Sequentially consistent, all of them: Channel.close() says that it is closed and
    // then takes the turn, Channel.release(_:) gives the turn back and then looks whether it is closed; one of the two has to
    // see the other's. On x86 that costs nothing.
    word.compareExchange(
      expected: Self.free, desired: Self.taken, successOrdering: .sequentiallyConsistent,
      failureOrdering: .sequentiallyConsistent
    )
    .exchanged
  }

  /// Gives the turn to whoever waits longest.
  @inline(__always)
  func release() {
    let (isDone, _) = word.compareExchange(
      expected: Self.taken, desired: Self.free, successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed)
    if !isDone { handOver() }
  }

  private func handOver() {
    let next = state.withLock { state -> Waiter? in
      guard !state.waiters.isEmpty else {
        // The one who waited has given up.
        word.store(Self.free, ordering: .sequentiallyConsistent)
        return nil
      }
      let next = state.waiters.removeFirst().waiter
      // Relaxed: the turn goes to `next` by its own word, and under the lock.
      if state.waiters.isEmpty { word.store(Self.taken, ordering: .relaxed) }
      return next
    }
    switch next {
    case .thread(let parked):
      // Releasing: pairs with the acquire in wait(by:).
      parked.word.pointee.store(1, ordering: .releasing)
      _ = ci_futex_wake(parked.word, 1)
    case .task(let continuation): continuation.resume()
    case nil: break
    }
  }

  /// Waits for the turn, blocking the thread.
  ///
  /// - Returns: whether it is the caller's: not when the deadline has passed.
  @inline(__always)
  func take(by deadline: Deadline) -> Bool {
    takeIfFree() || wait(by: deadline)
  }

  private func wait(by deadline: Deadline) -> Bool {
    let parked = Parked()
    guard let id = state.withLock({ enqueue(.thread(parked), in: &$0) }) else { return true }
    // Acquiring: pairs with the release in handOver().
    while parked.word.pointee.load(ordering: .acquiring) == 0 {
      if deadline.hasPassed {
        // Not there any more: it was handed over at this moment.
        return state.withLock { withdraw(id, from: &$0) == nil }
      }
      _ = deadline.withRemaining { ci_futex_wait(parked.word, 0, $0) }
    }
    return true
  }

  /// Suspends the task until the turn is its own.
  ///
  /// - Throws: `CancellationError`; ``ChannelError`` for a timeout.
  nonisolated(nonsending) func take(by deadline: Deadline) async throws {
    if takeIfFree() { return }
    let reactor = try deadline.isNever ? nil : Reactor.shared()
    let id = state.withLock { state in
      state.lastID += 1
      state.arriving[state.lastID] = .some(nil)
      return state.lastID
    }
    let watch = reactor?.watch(nil, by: deadline) { outcome in
      guard case .failure(let error as InterprocessError) = outcome, error.isTimeout else { return }
      self.end(id, with: ChannelError.timedOut("Channel", "others use this direction of it"))
    }
    defer { if let watch { reactor?.unwatch(watch) } }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let answer = state.withLock { state -> Result<Void, any Error>? in
          if let error = state.arriving.removeValue(forKey: id) ?? nil { return .failure(error) }
          return enqueue(.task(continuation), id, in: &state) ? nil : .success(())
        }
        if let answer { continuation.resume(with: answer) }
      }
    } onCancel: {
      end(id, with: CancellationError())
    }
  }

  private func end(_ id: UInt64, with error: any Error) {
    let waiter = state.withLock { state -> Waiter? in
      if state.arriving[id] != nil { state.arriving[id] = error }
      return withdraw(id, from: &state)
    }
    if case .task(let continuation) = waiter { continuation.resume(throwing: error) }
  }

  private func enqueue(_ waiter: Waiter, in state: inout State) -> UInt64? {
    state.lastID += 1
    return enqueue(waiter, state.lastID, in: &state) ? state.lastID : nil
  }

  /// - Returns: whether the waiter has to wait: not when the turn has just become free, and is its own now.
  private func enqueue(_ waiter: Waiter, _ id: UInt64, in state: inout State) -> Bool {
    if word.exchange(Self.wanted, ordering: .acquiringAndReleasing) == Self.free {
      if state.waiters.isEmpty { word.store(Self.taken, ordering: .relaxed) }
      return false
    }
    state.waiters.append((id, waiter))
    return true
  }

  private func withdraw(_ id: UInt64, from state: inout State) -> Waiter? {
    guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
    return state.waiters.remove(at: index).waiter
  }
}
