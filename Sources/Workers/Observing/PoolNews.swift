import Interprocess

/// What happens in a pool that its log and its metrics are told of. A process is `nil` where there is none, or none is known.
enum PoolNews: Sendable {
  /// It can be called.
  case workerReady(CInt)
  case workerEnded(CrashReport, WorkerEnd)
  /// There is no process, and will be none.
  case startFailed(any Error)
  /// A signal stopped it, or continued it.
  case workerStopped(CInt?)
  case workerContinued(CInt?)
  /// It is sent home, though nothing is wrong with it.
  case workerRetires(CInt?, Retirement)
  /// The pool ends it, for what it did or did not do.
  case workerKilled(CInt?, fault: String)
  case deadlineExceeded(CallDeadlineExceeded)
  case forkServerNotStarted(any Error)
  case forkServerEnded(ProcessEnding?)
  case failed(cause: String)
  case ended
}

/// What a worker's end was.
struct WorkerEnd: Sendable {
  /// The call that is lost with it.
  var call: String?
  /// It ended of itself and not in order, or was killed for a fault.
  var isCrash = false
  /// It never became ready, and the pool had not changed its mind.
  var isFailedStart = false
  /// It could be called, and was not sent home.
  var isLoss = false
}

/// Why a worker is replaced, or not needed any more.
enum Retirement: String, CaseIterable, Sendable {
  case calls
  case residentBytes = "resident-bytes"
  case age
  case idle
}
