/// Stopping a call, and a worker: politely first, then SIGTERM, then SIGKILL.
extension PoolStateMachine {
  /// What a call's arguments took to reach its worker is added to its time. The worker may say anything, or never begin: so
  /// no more is added than a worker's start may take.
  mutating func deadlineCame(
    _ worker: WorkerID, _ call: CallID, hasRun time: Duration, _ actions: inout [PoolAction]
  ) {
    guard let index = index(of: worker), let work = workers[index].work, work.call == call, work.isTimed else { return }
    let deadline = calls[call]?.request.deadline ?? rules.callDeadline ?? .zero
    let missing = min(deadline - time, rules.startTimeout - work.added)
    // A timer for less than that would only wake for nothing, once the call runs.
    let least = Duration.milliseconds(1)
    guard missing > (time > .zero ? least : .zero) else { return deadlinePassed(worker, call, &actions) }
    workers[index].work?.added += max(missing, least)
    actions.append(.startTimer(.deadline(worker, call), after: max(missing, least)))
  }

  /// The caller waits no longer, whatever becomes of the worker.
  mutating func deadlinePassed(_ worker: WorkerID, _ call: CallID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), let work = workers[index].work, work.call == call, work.isTimed else { return }
    workers[index].work?.isTimed = false
    workers[index].work?.isAnswered = true
    answer(call, .deadlineExceeded, &actions)
    cancelWork(index, &actions)
  }

  /// Asks the call in this worker to stop. It may still answer for itself until the grace period is over.
  mutating func cancelWork(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].phase == .serving, let work = workers[index].work, !work.isCancelling else { return }
    let worker = workers[index].id
    workers[index].work?.isCancelling = true
    actions.append(.cancelInWorker(worker, work.call))
    climb(index, .cancellation(worker, work.call), &actions)
  }

  mutating func askToExit(_ index: Int, _ actions: inout [PoolAction]) {
    let worker = workers[index].id
    workers[index].phase = .closing
    actions.append(.askToExit(worker))
    climb(index, .closing(worker), &actions)
  }

  mutating func ladderTimerFired(_ timer: PoolTimer, of worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].ladder == timer else { return }
    workers[index].ladder = nil
    switch workers[index].phase {
    case .terminating: kill(index, &actions)
    case .killed: abandon(index, &actions)
    default: terminate(index, &actions)
    }
  }

  private mutating func terminate(_ index: Int, _ actions: inout [PoolAction]) {
    let worker = workers[index].id
    if let work = workers[index].work, !work.isAnswered {
      if work.isTimed { actions.append(.cancelTimer(.deadline(worker, work.call))) }
      workers[index].work?.isTimed = false
      workers[index].work?.isAnswered = true
      answer(work.call, life == .cancelling ? refusal : .cancelled, &actions)
    }
    workers[index].phase = .terminating
    actions.append(.terminate(worker))
    climb(index, .termination(worker), &actions)
  }

  /// What runs is not answered yet: its reply may be on its way, and how the process ended is part of the error.
  mutating func kill(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].phase != .killed else { return }
    stopLadder(index, &actions)
    stopStopTimer(index, &actions)
    stopMuteTimer(index, &actions)
    workers[index].phase = .killed
    // Without a process yet, the start timer goes on and `processStarted` is waited for.
    guard workers[index].hasProcess else { return }
    stopStartTimer(index, &actions)
    killProcess(index, &actions)
  }

  /// SIGKILL ends every process, but not at once: it may have a gigabyte to give back, or wait for a file system.
  mutating func killProcess(_ index: Int, _ actions: inout [PoolAction]) {
    let worker = workers[index].id
    actions.append(.kill(worker))
    workers[index].ladder = .termination(worker)
    actions.append(.startTimer(.termination(worker), after: max(rules.gracePeriod, rules.startTimeout)))
  }

  /// Nobody is to wait any longer for a process that not even SIGKILL has ended.
  private mutating func abandon(_ index: Int, _ actions: inout [PoolAction]) {
    let worker = workers[index].id
    actions.append(.forget(worker))
    _ = part(with: worker, &actions)
  }

  mutating func killAtFault(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].phase != .killed else { return }
    // One that is on its way out anyway is no news.
    if workers[index].isUsable { workers[index].isAtFault = true }
    kill(index, &actions)
  }

  // MARK: Stopped processes

  mutating func stopped(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].hasProcess, !workers[index].isStopped else { return }
    workers[index].isStopped = true
    guard workers[index].phase != .killed else { return }
    workers[index].isStopTimed = true
    actions.append(.startTimer(.stop(worker), after: rules.gracePeriod))
  }

  mutating func continued(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].isStopped else { return }
    workers[index].isStopped = false
    stopStopTimer(index, &actions)
  }

  mutating func stopTimedOut(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].isStopTimed else { return }
    workers[index].isStopTimed = false
    killAtFault(index, &actions)
  }

  // MARK: Timers

  private mutating func climb(_ index: Int, _ timer: PoolTimer, _ actions: inout [PoolAction]) {
    stopLadder(index, &actions)
    workers[index].ladder = timer
    actions.append(.startTimer(timer, after: rules.gracePeriod))
  }

  private mutating func stopLadder(_ index: Int, _ actions: inout [PoolAction]) {
    guard let timer = workers[index].ladder else { return }
    workers[index].ladder = nil
    actions.append(.cancelTimer(timer))
  }

  private mutating func stopStopTimer(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].isStopTimed else { return }
    workers[index].isStopTimed = false
    actions.append(.cancelTimer(.stop(workers[index].id)))
  }

  mutating func stopStartTimer(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].isStartTimed else { return }
    workers[index].isStartTimed = false
    actions.append(.cancelTimer(.start(workers[index].id)))
  }

  /// The call is over: neither its deadline nor its cancellation matters any more.
  mutating func stopWorkTimers(_ index: Int, _ actions: inout [PoolAction]) {
    guard let work = workers[index].work else { return }
    if work.isTimed { actions.append(.cancelTimer(.deadline(workers[index].id, work.call))) }
    workers[index].work?.isTimed = false
    if workers[index].phase == .serving { stopLadder(index, &actions) }
  }

  mutating func stopAllTimers(_ index: Int, _ actions: inout [PoolAction]) {
    stopWorkTimers(index, &actions)
    stopLadder(index, &actions)
    stopStopTimer(index, &actions)
    stopMuteTimer(index, &actions)
    stopStartTimer(index, &actions)
  }
}
