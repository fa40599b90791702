#if Metrics
  import Interprocess
  import Metrics
  import Synchronization

  /// What a pool counts and measures; the names begin with the configuration's `metricsLabel`.
  final class PoolMetrics: Sendable {
    /// `.calls`, by `outcome`: `answered` or `failed`. A call whose code threw was answered.
    private let answeredCalls: Counter
    private let failedCalls: Counter
    /// `.call.queue` and `.call.run`: how long calls waited for a worker, and ran in it.
    private let queueTime: Metrics.Timer
    private let runTime: Metrics.Timer
    /// `.crashes`, `.starts` and `.restarts`: workers that died of themselves, that became ready, and of these the ones in the
    /// place of a worker that had died or had to be killed.
    private let crashes: Counter
    private let starts: Counter
    private let restarts: Counter
    /// How many are gone, and have nobody in their place yet.
    private let lost = Mutex(0)
    /// `.resident.bytes`: the most memory that a worker had, when it has ended.
    private let residentBytes: Recorder
    let sampling: MemorySampling

    init(label: String, interval: Duration) {
      answeredCalls = Counter(label: "\(label).calls", dimensions: [("outcome", "answered")])
      failedCalls = Counter(label: "\(label).calls", dimensions: [("outcome", "failed")])
      queueTime = Metrics.Timer(label: "\(label).call.queue")
      runTime = Metrics.Timer(label: "\(label).call.run")
      crashes = Counter(label: "\(label).crashes")
      starts = Counter(label: "\(label).starts")
      restarts = Counter(label: "\(label).restarts")
      residentBytes = Recorder(label: "\(label).resident.bytes")
      sampling = MemorySampling(label: "\(label).resident.bytes.now", interval: interval)
    }

    func note(_ news: PoolNews) {
      switch news {
      case .workerReady:
        starts.increment()
        if replacesLost() { restarts.increment() }
      case .workerEnded(let report, let end):
        if end.isCrash { crashes.increment() }
        if end.isLoss { lost.withLock { $0 += 1 } }
        if let usage = report.usage { residentBytes.record(usage.maximumResidentBytes) }
      case .ended: sampling.end()
      default: break
      }
    }

    private func replacesLost() -> Bool {
      lost.withLock { lost in
        guard lost > 0 else { return false }
        lost -= 1
        return true
      }
    }

    func note(_ call: PendingCall, isSuccess: Bool) {
      (isSuccess ? answeredCalls : failedCalls).increment()
      guard let sent = call.times.withLock({ $0 }) else { return }
      queueTime.recordNanoseconds((sent - call.submitted).saturatingNanoseconds)
      runTime.recordNanoseconds((ContinuousClock.now - sent).saturatingNanoseconds)
    }
  }
#endif
