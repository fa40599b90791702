/// What is to be done, in this order, about an event.
enum PoolAction: Hashable, Sendable {
  /// Answered by `forkServerReady` or `forkServerDied`.
  case startForkServer
  /// Close its socket: it exits, as no worker is left.
  case closeForkServer
  case killForkServer

  /// Ask the fork server for a worker. Answered by `processStarted` and `workerReady`, or `startFailed`.
  case startWorker(WorkerID)
  /// The fork server died before it said whether there is a process: close our ends, and nothing is heard of it again.
  case forget(WorkerID)
  /// The worker runs the call from now on. Attempts count from 1.
  case send(CallID, to: WorkerID, attempt: Int)
  /// `Task.isCancelled` is to become true in the call.
  case cancelInWorker(WorkerID, CallID)
  /// Close our end: a worker that reads on finds the end and exits.
  case askToExit(WorkerID)
  /// SIGTERM.
  case terminate(WorkerID)
  /// SIGKILL.
  case kill(WorkerID)

  case startTimer(PoolTimer, after: Duration)
  case cancelTimer(PoolTimer)

  /// The one answer this call gets.
  case answer(CallID, CallOutcome)
  /// The restart limit is exceeded. The pool ends by itself; what waits is answered `poolFailed` next.
  case fail
  /// The last action: no process is left, no timer, no call.
  case end
}

enum CallOutcome: Hashable, Sendable {
  /// What the worker replied, a result or an error.
  case reply
  /// This worker is held now, under the id of the request.
  case granted(WorkerID)
  /// The worker died while it ran the call.
  case crashed(WorkerID)
  /// The one worker that the call was for has ended, or never was.
  case workerLost(WorkerID)
  /// The held worker has died, or is held no longer.
  case leaseLost(LeaseID)
  case deadlineExceeded
  case cancelled
  case queueFull
  case poolClosed
  case poolFailed
}
