#if Logging
  import Logging
#endif

/// Tells the log and the metrics what happens in a pool, where the package's traits `Logging` and `Metrics` are on.
struct PoolObserver: Sendable {
  #if Logging
    private let logger: Logger?
  #endif
  #if Metrics
    let metrics: PoolMetrics
  #endif

  init(_ configuration: WorkerPoolConfiguration) {
    #if Logging
      logger = configuration.logger
    #endif
    #if Metrics
      metrics = PoolMetrics(label: configuration.metricsLabel, interval: configuration.metricsInterval)
    #endif
  }

  /// - Parameter news: not looked for without the traits; `nil`: there is none.
  func tell(_ news: @autoclosure () -> PoolNews?) {
    #if Logging || Metrics
      guard let news = news() else { return }
    #endif
    #if Logging
      if let logger {
        let line = news.line
        logger.log(level: line.level, line.message, metadata: line.metadata)
      }
    #endif
    #if Metrics
      metrics.note(news)
    #endif
  }

  func answered(_ call: PendingCall, isSuccess: Bool) {
    #if Metrics
      metrics.note(call, isSuccess: isSuccess)
    #endif
  }
}
