#if Metrics
  import Interprocess
  import Metrics
  import Synchronization

  /// `.resident.bytes.now`: what all workers of a pool have in memory that is their own alone. It is looked at a while after
  /// something has happened in the pool, so that calls cost one load more, and an idle pool costs nothing.
  final class MemorySampling: Sendable {
    /// What was seen, and whether the pool is at work, which is a reason to look again.
    typealias Sample = (bytes: Int, isAtWork: Bool)

    private struct State {
      /// The look to come.
      var watch: UInt64?
      var isOver = false
    }

    /// More often is not worth it.
    private static let leastInterval = Duration.milliseconds(10)

    private let meter: Meter
    private let interval: Duration
    /// Relaxed: it spares calls the lock. Who finds it set comes before the look, which clears it first.
    private let isComing = Atomic(false)
    private let state = Mutex(State())

    init(label: String, interval: Duration) {
      meter = Meter(label: label)
      self.interval = max(Self.leastInterval, interval)
    }

    /// Has the workers looked at, unless that is to come already.
    func soon(_ look: @escaping @Sendable () -> Sample) {
      if isComing.load(ordering: .relaxed) { return }
      state.withLock { state in
        guard !state.isOver, state.watch == nil, let reactor = try? Reactor.shared() else { return }
        isComing.store(true, ordering: .relaxed)
        state.watch = reactor.watch(nil, by: Deadline(interval)) { outcome in
          guard case .failure(let error as InterprocessError) = outcome, error.isTimeout else { return }
          // Others wait for the reactor.
          Task.detached { self.take(look) }
        }
      }
    }

    private func take(_ look: @escaping @Sendable () -> Sample) {
      state.withLock { $0.watch = nil }
      isComing.store(false, ordering: .relaxed)
      let sample = look()
      state.withLock { state in
        if !state.isOver { meter.set(sample.bytes) }
      }
      if sample.isAtWork { soon(look) }
    }

    /// No worker is left.
    func end() {
      let watch = state.withLock { state in
        state.isOver = true
        meter.set(0)
        return state.watch.take()
      }
      if let watch { (try? Reactor.shared())?.unwatch(watch) }
    }
  }
#endif
