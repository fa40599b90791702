/// Everything a pool of workers decides: events in, actions out.
///
/// No lock, no clock, no input or output. Whoever drives it delivers one event at a time and carries out the actions
/// in their order; payloads, reasons and reports travel beside it, by the ids of call and worker. It is a value, and
/// hashable, so that tests can go through every state it can reach (`PoolExplorer`).
struct PoolStateMachine: Hashable, Sendable {
  let rules: PoolRules
  var life = Life.unopened
  /// The restart limit was exceeded: the pool drains what runs, and takes nothing.
  var hasFailed = false

  /// Every call not answered yet.
  var calls: [CallID: PoolCall] = [:]
  /// Those that any worker may run, and requests to hold one.
  var queue = CallQueue()
  /// In the order of their ids.
  var workers: [PoolWorker] = []
  var nextWorker = 0
  var leases: [PoolLease] = []

  var forkServer = ForkServer.absent
  /// When workers died of themselves lately, with no call in them: a death that a call was lost with is its caller's affair.
  var deaths: [Duration] = []
  /// Failed starts in a row.
  var failedStarts = 0
  var isBackingOff = false
  var isIdleTimed = false
  var isShutdownTimed = false

  enum Life: Hashable, Sendable {
    case unopened
    case running
    /// Shut down: calls taken are made, others refused.
    case draining
    /// Shut down: every call is answered, and what runs is being stopped.
    case cancelling
    case ended
  }

  enum ForkServer: Hashable, Sendable {
    case absent
    case starting
    case ready
    case closing
    /// Sent SIGKILL, before it was ever ready.
    case failing
    /// Sent SIGKILL.
    case killed
  }

  init(rules: PoolRules) {
    self.rules = rules
  }

  /// Takes note of an event and appends what is to be done about it.
  mutating func receive(_ event: PoolEvent, into actions: inout [PoolAction]) {
    switch event {
    case .open: if life == .unopened { life = .running }
    case .submit(let call, let request): submit(call, PoolCall(request: request), &actions)
    case .hold(let lease, let priority):
      submit(lease, PoolCall(request: CallRequest(priority: priority), isHold: true), &actions)
    case .cancel(let call): cancel(call, &actions)
    case .release(let lease): release(lease, &actions)
    case .processStarted(let worker): processStarted(worker, &actions)
    case .workerReady(let worker): workerReady(worker, &actions)
    case .startFailed(let worker, let time): startFailed(worker, at: time, &actions)
    case .reply(let worker, let call): reply(worker, call, &actions)
    case .protocolViolation(let worker): protocolViolation(worker, &actions)
    case .channelEnded(let worker): channelEnded(worker, &actions)
    case .notBegun(let worker, let call): notBegun(worker, call, &actions)
    case .stopped(let worker): stopped(worker, &actions)
    case .continued(let worker): continued(worker, &actions)
    case .exited(let worker, let time): exited(worker, at: time, &actions)
    case .retire(let worker): if let index = self.index(of: worker) { workers[index].isRetiring = true }
    case .forkServerReady: forkServerReady(&actions)
    case .forkServerDied(let time): forkServerDied(at: time, &actions)
    case .timerFired(let timer): fired(timer, &actions)
    case .deadlineCame(let worker, let call, let time): deadlineCame(worker, call, hasRun: time, &actions)
    case .shutdown(let shutdown): shutDown(shutdown, &actions)
    }
    settle(&actions)
  }

  /// The same, for tests.
  mutating func receive(_ event: PoolEvent) -> [PoolAction] {
    var actions: [PoolAction] = []
    receive(event, into: &actions)
    return actions
  }

  /// What follows from the state, whatever the event was: free workers are given calls, those that nobody needs are
  /// sent home, those needed are started, and a pool that has nothing left ends.
  private mutating func settle(_ actions: inout [PoolAction]) {
    guard life != .unopened, life != .ended else { return }
    dispatch(&actions)
    closeUnneeded(&actions)
    startNeeded(&actions)
    watchIdleness(&actions)
    endIfDone(&actions)
  }

  private mutating func fired(_ timer: PoolTimer, _ actions: inout [PoolAction]) {
    switch timer {
    case .deadline(let worker, let call): deadlinePassed(worker, call, &actions)
    case .cancellation(let worker, _), .closing(let worker), .termination(let worker):
      ladderTimerFired(timer, of: worker, &actions)
    case .start(let worker): startTimedOut(worker, &actions)
    case .stop(let worker): stopTimedOut(worker, &actions)
    case .silence(let worker): silenceTimedOut(worker, &actions)
    case .forkServer: forkServerTimedOut(&actions)
    case .backOff: isBackingOff = false
    case .idle: retireRested(&actions)
    case .shutdown: shutdownTimedOut(&actions)
    }
  }

  func index(of worker: WorkerID) -> Int? {
    var low = 0
    var high = workers.count
    while low < high {
      let middle = low + (high - low) / 2
      if workers[middle].id < worker { low = middle + 1 } else { high = middle }
    }
    return low < workers.count && workers[low].id == worker ? low : nil
  }

  func leaseIndex(of lease: LeaseID) -> Int? {
    leases.firstIndex { $0.id == lease }
  }
}
