#if Logging
  import Logging

  /// What of the news is logged, and how: the documentation of ``WorkerPoolConfiguration/logger`` lists it.
  extension PoolNews {
    typealias Line = (level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata)

    private enum Key: String {
      case worker, call, ending, fault, deadline, reason, error, cause
      case outOfMemory = "out-of-memory"
    }

    var line: Line {
      switch self {
      case .workerReady(let worker): (.debug, "a worker is ready", Self.metadata([.worker: worker]))
      case .workerEnded(let report, let end): Self.line(of: end, report)
      case .startFailed(let error): (.warning, "a worker could not be started", Self.metadata([.error: "\(error)"]))
      case .workerStopped(let worker): (.warning, "a worker was stopped", Self.metadata([.worker: worker]))
      case .workerContinued(let worker): (.info, "a worker was continued", Self.metadata([.worker: worker]))
      case .workerRetires(let worker, let reason):
        (.debug, "a worker retires", Self.metadata([.worker: worker, .reason: reason.rawValue]))
      case .workerKilled(let worker, let fault):
        (.warning, "a worker is killed", Self.metadata([.worker: worker, .fault: fault]))
      case .deadlineExceeded(let error):
        (
          .warning, "a call exceeded its deadline",
          Self.metadata([.worker: error.processID, .call: error.call, .deadline: error.deadline])
        )
      case .forkServerNotStarted(let error):
        (.warning, "the fork server could not be started", Self.metadata([.error: "\(error)"]))
      case .forkServerEnded(let ending):
        (
          .warning, "the fork server has ended; another is started",
          Self.metadata([.ending: ending.map { "\($0)" } ?? "unknown"])
        )
      case .failed(let cause): (.error, "the worker pool has failed", Self.metadata([.cause: cause]))
      case .ended: (.debug, "the worker pool has ended", [:])
      }
    }

    private static func line(of end: WorkerEnd, _ report: CrashReport) -> Line {
      let metadata = metadata([
        .worker: report.processID,
        .ending: report.ending.map { "\($0)" } ?? "unknown",
        .error: end.isFailedStart ? report.described : nil,
        .call: end.call,
        .fault: report.fault?.rawValue,
        .outOfMemory: report.outOfMemory == .no ? nil : "\(report.outOfMemory)",
      ])
      if end.isFailedStart { return (.warning, "a worker could not be started", metadata) }
      return end.isCrash ? (.warning, "a worker crashed", metadata) : (.debug, "a worker ended", metadata)
    }

    /// What is not known is left out.
    private static func metadata(_ values: KeyValuePairs<Key, (any CustomStringConvertible)?>) -> Logger.Metadata {
      var metadata: Logger.Metadata = [:]
      for (key, value) in values { if let value { metadata[key.rawValue] = "\(value)" } }
      return metadata
    }
  }
#endif
