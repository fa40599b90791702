import Interprocess

#if Logging
  import Logging
#endif
#if Metrics
  import Metrics
#endif

/// Tells the log and the metrics what happens in a pool, where the package's traits `Logging` and `Metrics` are on.
struct PoolObserver: Sendable {
  #if Logging
    let logger: Logger?
  #endif
  #if Metrics
    let metrics: PoolMetrics
  #endif

  init(_ configuration: WorkerPoolConfiguration) {
    #if Logging
      logger = configuration.logger
    #endif
    #if Metrics
      metrics = PoolMetrics(label: configuration.metricsLabel)
    #endif
  }

  func workerStarted(_ process: CInt?) {
    #if Logging
      logger?.debug("a worker is ready", metadata: ["worker": "\(process ?? 0)"])
    #endif
    #if Metrics
      metrics.starts.increment()
    #endif
  }

  /// - Parameters:
  ///   - call: the call that is lost with it.
  ///   - isCrash: it ended of itself, and not in order.
  func workerEnded(_ report: CrashReport, call: String?, isCrash: Bool) {
    #if Logging
      var metadata: Logger.Metadata = [
        "worker": "\(report.processID ?? 0)", "ending": "\(report.ending.map { "\($0)" } ?? "unknown")",
      ]
      if let call { metadata["call"] = "\(call)" }
      if report.outOfMemory != .no { metadata["out-of-memory"] = "\(report.outOfMemory)" }
      logger?.log(
        level: isCrash ? .warning : .debug, isCrash ? "a worker crashed" : "a worker ended", metadata: metadata)
    #endif
    #if Metrics
      if isCrash { metrics.crashes.increment() }
      if let usage = report.usage { metrics.residentBytes.record(usage.maximumResidentBytes) }
    #endif
  }

  func forkServerEnded(_ ending: ProcessEnding?) {
    #if Logging
      logger?.warning(
        "the fork server has ended; another is started", metadata: ["ending": "\(ending.map { "\($0)" } ?? "unknown")"])
    #endif
  }

  func failed(_ cause: String) {
    #if Logging
      logger?.error("the worker pool has failed", metadata: ["cause": "\(cause)"])
    #endif
  }

  func ended() {
    #if Logging
      logger?.debug("the worker pool has ended")
    #endif
  }

  func answered(_ call: PendingCall, isSuccess: Bool) {
    #if Metrics
      metrics.note(call, isSuccess: isSuccess)
    #endif
  }
}
