import Interprocess
import Synchronization

/// The timers of a pool, of which the reactor knows the nearest only: calls with deadlines, one after another, cost it no
/// wake-up each.
final class PoolTimers: Sendable {
  private struct State {
    var ends: [PoolTimer: ContinuousClock.Instant] = [:]
    /// What the reactor waits for.
    var watch: (id: UInt64, end: ContinuousClock.Instant)?
  }

  private let state = Mutex(State())
  /// Told on the reactor's thread, with no lock held.
  private let onFire: @Sendable (PoolTimer) -> Void

  init(onFire: @escaping @Sendable (PoolTimer) -> Void) { self.onFire = onFire }

  deinit {
    if let watch = state.withLock({ $0.watch }) { (try? Reactor.shared())?.unwatch(watch.id) }
  }

  func start(_ timer: PoolTimer, after delay: Duration) {
    let end = ContinuousClock.now + delay
    let outdated = state.withLock { state -> UInt64? in
      state.ends[timer] = end
      if let watch = state.watch, watch.end <= end { return nil }
      defer { watch(&state, until: end) }
      return state.watch?.id
    }
    // Not under the lock: it calls what ``watch(_:until:)`` left.
    if let outdated { (try? Reactor.shared())?.unwatch(outdated) }
  }

  /// What the reactor waits for may be too early then, which costs one look.
  func cancel(_ timer: PoolTimer) { _ = state.withLock { $0.ends.removeValue(forKey: timer) } }

  var count: Int { state.withLock { $0.ends.count } }

  private func watch(_ state: inout State, until end: ContinuousClock.Instant) {
    guard let reactor = try? Reactor.shared() else { return }
    let id = reactor.watch(nil, by: Deadline(end - .now)) { [weak self] outcome in
      guard case .failure(let error as InterprocessError) = outcome, error.isTimeout else { return }
      self?.fire()
    }
    state.watch = (id, end)
  }

  private func fire() {
    let now = ContinuousClock.now
    let due = state.withLock { state in
      let due = state.ends.filter { $0.value <= now }.sorted { $0.value < $1.value }.map(\.key)
      for timer in due { state.ends[timer] = nil }
      state.watch = nil
      if let next = state.ends.values.min() { watch(&state, until: next) }
      return due
    }
    for timer in due { onFire(timer) }
  }
}
