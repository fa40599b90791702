/// What the pool knows of one worker process, from when it was asked for until it has exited.
struct PoolWorker: Hashable, Sendable {
  let id: WorkerID
  var phase = Phase.starting
  /// There is a process, which can be signalled.
  var hasProcess = false
  /// The worker said that it can be called.
  var isReady = false
  var isStopped = false
  /// Its channel has ended: it can be told nothing.
  var isMute = false
  /// Takes no more calls from the pool's queue, and exits when it has done what only it can do.
  var isRetiring = false
  /// Has had nothing to do since workers were last looked over.
  var isRested = false
  /// It ends through a fault of its own, which counts against the restart limit.
  var isAtFault = false
  /// Counted only where there is a limit.
  var callsDone = 0
  var work: PoolWork?
  var lease: LeaseID?
  /// Calls that only this worker can run.
  var inbox = CallQueue()

  var isStartTimed = false
  var isStopTimed = false
  var isMuteTimed = false
  /// The timer of the step taken last to stop a call or the worker; there is one at most.
  var ladder: PoolTimer?

  enum Phase: Hashable, Sendable {
    case starting
    case serving
    /// Asked to exit.
    case closing
    /// Sent SIGTERM.
    case terminating
    /// Sent SIGKILL, or to be sent it as soon as there is a process.
    case killed
  }

  init(id: WorkerID) { self.id = id }

  /// Will serve, or does.
  var isUsable: Bool { phase == .starting || phase == .serving }
  /// Ready and with no call in it.
  var isFree: Bool { phase == .serving && work == nil && !isStopped && !isMute }
  /// One of those of which there may be `maximum`.
  var isServing: Bool { phase == .serving && (work != nil || lease != nil) }
}

/// The call in a worker.
struct PoolWork: Hashable, Sendable {
  let call: CallID
  /// The caller waits no longer; the worker has yet to be freed of the call.
  var isAnswered = false
  var isCancelling = false
  /// Its deadline runs.
  var isTimed = false
  /// What was added to it, for the time before the call began.
  var added = Duration.zero
}

/// A call not answered yet.
struct PoolCall: Hashable, Sendable {
  var request: CallRequest
  /// Asks to hold a worker, rather than for something to run.
  var isHold = false
  /// How often it has been sent.
  var attempts = 0
  /// How often, beside those, it was sent to a worker that did not begin with it.
  var losses = 0
  var worker: WorkerID?
}

/// A worker held, until it is released. The lease outlives its worker.
struct PoolLease: Hashable, Sendable {
  let id: LeaseID
  let worker: WorkerID
  var isLost = false
  var queue = CallQueue()
}
