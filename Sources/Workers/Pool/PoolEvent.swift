/// What happens to the pool. Times are those of any clock that does not go back.
///
/// An event that cannot be true, as that a worker exits which is gone already, changes nothing.
enum PoolEvent: Hashable, Sendable {
  /// The first event: fork server and workers start.
  case open

  /// Somebody wants a call made. Ids grow from call to call.
  case submit(CallID, CallRequest)
  /// Somebody wants a worker for himself. It is answered `granted`, and held until `release`.
  case hold(LeaseID, CallPriority)
  /// The caller, or whoever waits to hold a worker, no longer wants to.
  case cancel(CallID)
  /// The holder is done with his worker. To be said of every lease granted, also when its worker has died.
  case release(LeaseID)

  /// The fork server has made the worker's process: it can be signalled from now on.
  case processStarted(WorkerID)
  /// The worker says that it can be called. May come before `processStarted`, which travels another way.
  case workerReady(WorkerID)
  /// There is no process and there will be none.
  case startFailed(WorkerID, at: Duration)
  /// The worker answered this call, with a result or an error.
  case reply(WorkerID, CallID)
  /// The worker sent what no worker of ours sends.
  case protocolViolation(WorkerID)
  /// Nothing comes from the worker any more, nor can it be sent anything; its process may live all the same.
  case channelEnded(WorkerID)
  /// The worker can do nothing any more, and has not begun with the call that it was sent.
  case notBegun(WorkerID, CallID)
  /// A signal stopped the worker, or continued it.
  case stopped(WorkerID)
  case continued(WorkerID)
  /// The process is gone.
  case exited(WorkerID, at: Duration)
  /// The worker is too old or too large: it finishes what it was chosen for and goes.
  case retire(WorkerID)

  case forkServerReady
  case forkServerDied(at: Duration)

  case timerFired(PoolTimer)
  /// A call's deadline has come, counted from when it was sent, and its worker says that it has run for so long.
  case deadlineCame(WorkerID, CallID, hasRun: Duration)

  /// No more calls are taken. A second shutdown may be harsher than the first, not kinder.
  case shutdown(PoolShutdown)
}

enum PoolShutdown: Hashable, Sendable {
  /// Calls taken are made, held workers waited for; after this time what is left is cancelled. Nil: no limit.
  case drain(within: Duration?)
  /// What waits is answered at once, what runs is cancelled.
  case cancel
}

struct CallRequest: Hashable, Sendable {
  var target = CallTarget.any
  var priority = CallPriority.medium
  /// Its author declared it safe to make twice, if the worker dies during the first.
  var isRepeatable = false
  /// Instead of the pool's `callDeadline`.
  var deadline: Duration?
}

enum CallTarget: Hashable, Sendable {
  /// The next free worker.
  case any
  /// This worker and no other, as it holds the state the call is about.
  case worker(WorkerID)
  /// The worker held under this lease.
  case lease(LeaseID)
}
