/// The life of a worker, from the fork server's word to its exit.
extension PoolStateMachine {
  mutating func processStarted(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), !workers[index].hasProcess else { return }
    workers[index].hasProcess = true
    if workers[index].phase == .killed {
      stopStartTimer(index, &actions)
      killProcess(index, &actions)
    }
    serveIfStarted(index, &actions)
  }

  mutating func workerReady(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), !workers[index].isReady else { return }
    workers[index].isReady = true
    serveIfStarted(index, &actions)
  }

  private mutating func serveIfStarted(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].phase == .starting, workers[index].hasProcess, workers[index].isReady else { return }
    stopStartTimer(index, &actions)
    workers[index].phase = .serving
    failedStarts = 0
  }

  mutating func startTimedOut(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].isStartTimed else { return }
    workers[index].isStartTimed = false
    if workers[index].hasProcess {
      killAtFault(index, &actions)
    } else {
      // It is the fork server that does not answer.
      killForkServer(&actions)
    }
  }

  mutating func startFailed(_ worker: WorkerID, at time: Duration, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), !workers[index].hasProcess else { return }
    exited(worker, at: time, &actions)
  }

  /// A worker that sends what none of ours sends is not to be reasoned with.
  mutating func protocolViolation(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker) else { return }
    killAtFault(index, &actions)
  }

  /// Its call is lost, or repeated; what waited for it alone is answered; no other call is touched.
  mutating func exited(_ id: WorkerID, at time: Duration, _ actions: inout [PoolAction]) {
    guard let worker = part(with: id, &actions) else { return }
    // What a call's code does to its worker its caller is told: the pool goes on, however many do it.
    guard worker.work == nil else { return }
    if worker.isUsable || worker.isAtFault { noteDeath(at: time, isFailedStart: !worker.isReady, &actions) }
  }

  /// - Returns: the worker as it was; `nil` when there is none any more.
  mutating func part(with id: WorkerID, _ actions: inout [PoolAction]) -> PoolWorker? {
    guard let index = index(of: id) else { return nil }
    stopAllTimers(index, &actions)
    var worker = workers.remove(at: index)
    if let work = worker.work, !work.isAnswered, !repeatCall(work) { answer(work.call, .crashed(id), &actions) }
    for call in worker.inbox.removeAll() { answer(call, .workerLost(id), &actions) }
    if let lease = worker.lease { lose(lease, &actions) }
    return worker
  }

  /// The call goes back to its place in the queue, if its author allows and the worker did not die of our asking.
  private mutating func repeatCall(_ work: PoolWork) -> Bool {
    guard var call = calls[work.call], call.request.isRepeatable, call.request.target == .any else { return false }
    guard call.attempts < rules.maximumAttempts, !work.isCancelling, !hasFailed else { return false }
    guard life == .running || life == .draining else { return false }
    call.worker = nil
    calls[work.call] = call
    enqueue(work.call, call.request)
    return true
  }

  // MARK: How many

  /// How many workers ought to be there, ready or on their way.
  private var wanted: Int {
    let serving = workers.reduce(0) { $0 + ($1.isServing ? 1 : 0) }
    switch life {
    case .running: return min(rules.maximum, max(rules.minimum, serving + queue.count)) + rules.spares
    case .draining: return queue.isEmpty ? 0 : min(rules.maximum, serving + queue.count)
    case .unopened, .cancelling, .ended: return 0
    }
  }

  private var usable: Int { workers.reduce(0) { $0 + ($1.isUsable ? 1 : 0) } }

  mutating func startNeeded(_ actions: inout [PoolAction]) {
    var missing = min(wanted - usable, rules.maximum + rules.spares - workers.count)
    // A running pool keeps its fork server, so that a replacement starts at once.
    guard missing > 0 || life == .running, !isBackingOff else { return }
    if forkServer == .absent { startForkServer(&actions) }
    guard forkServer == .ready else { return }
    while missing > 0 {
      var worker = PoolWorker(id: WorkerID(rawValue: nextWorker))
      worker.isStartTimed = true
      nextWorker += 1
      missing -= 1
      workers.append(worker)
      actions.append(.startWorker(worker.id))
      actions.append(.startTimer(.start(worker.id), after: rules.startTimeout))
    }
  }

  /// Workers past their age, and in a shutdown those with nothing left to do, are sent home.
  mutating func closeUnneeded(_ actions: inout [PoolAction]) {
    let isOver = life == .cancelling || (life == .draining && queue.isEmpty)
    guard isOver || workers.contains(where: \.isRetiring) else { return }
    for index in workers.indices {
      let worker = workers[index]
      if worker.phase == .starting {
        if isOver, worker.inbox.isEmpty { kill(index, &actions) }
      } else if worker.isFree, worker.inbox.isEmpty, worker.lease == nil || life == .cancelling {
        if isOver || worker.isRetiring { askToExit(index, &actions) }
      }
    }
  }

  // MARK: Idleness

  private var isTooMany: Bool { life == .running && usable > rules.minimum + rules.spares }

  mutating func watchIdleness(_ actions: inout [PoolAction]) {
    guard isTooMany, !isIdleTimed else { return }
    isIdleTimed = true
    actions.append(.startTimer(.idle, after: rules.idlePeriod))
  }

  /// Retires those that have had nothing to do since the last look, the youngest first, down to the minimum.
  mutating func retireRested(_ actions: inout [PoolAction]) {
    guard isIdleTimed else { return }
    isIdleTimed = false
    guard life == .running else { return }
    for index in workers.indices.reversed() {
      let worker = workers[index]
      guard worker.isFree, worker.lease == nil, worker.inbox.isEmpty else { continue }
      if worker.isRested, usable > wanted {
        askToExit(index, &actions)
      } else {
        workers[index].isRested = true
      }
    }
  }
}
