#if Metrics
  import Metrics
  import Synchronization

  /// What a pool counts and measures; the names begin with the configuration's `metricsLabel`.
  struct PoolMetrics: Sendable {
    /// `.calls`, by `outcome`: `answered` or `failed`. A call whose code threw was answered.
    private let answeredCalls: Counter
    private let failedCalls: Counter
    /// `.call.queue` and `.call.run`: how long calls waited for a worker, and ran in it.
    private let queueTime: Metrics.Timer
    private let runTime: Metrics.Timer
    /// `.crashes` and `.starts`: workers that died of themselves, and that were started.
    let crashes: Counter
    let starts: Counter
    /// `.resident.bytes`: the most memory that a worker had, when it has ended.
    let residentBytes: Recorder

    init(label: String) {
      answeredCalls = Counter(label: "\(label).calls", dimensions: [("outcome", "answered")])
      failedCalls = Counter(label: "\(label).calls", dimensions: [("outcome", "failed")])
      queueTime = Metrics.Timer(label: "\(label).call.queue")
      runTime = Metrics.Timer(label: "\(label).call.run")
      crashes = Counter(label: "\(label).crashes")
      starts = Counter(label: "\(label).starts")
      residentBytes = Recorder(label: "\(label).resident.bytes")
    }

    func note(_ call: PendingCall, isSuccess: Bool) {
      (isSuccess ? answeredCalls : failedCalls).increment()
      guard let sent = call.times.withLock({ $0 }) else { return }
      queueTime.recordNanoseconds((sent - call.submitted).nanoseconds)
      runTime.recordNanoseconds((ContinuousClock.now - sent).nanoseconds)
    }
  }

  extension Duration {
    fileprivate var nanoseconds: Int64 {
      let (seconds, attoseconds) = components
      let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
      return overflow ? .max : product &+ attoseconds / 1_000_000_000
    }
  }
#endif
