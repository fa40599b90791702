@testable import Workers

/// Carrying out an action, and judging whether a pool may do that now.
extension World {
  mutating func carryOut(_ action: PoolAction, _ event: PoolEvent, _ before: World) throws(Violation) {
    switch action {
    case .startForkServer:
      try require(forkServer == .absent, "a second fork server")
      forkServer = .starting
    case .closeForkServer:
      try require(forkServer == .ready && processes.isEmpty, "the fork server left while it was needed")
      forkServer = .closing
    case .killForkServer:
      try require(forkServer != .absent && forkServer != .killed, "no fork server to kill")
      forkServer = .killed
    case .startWorker(let id):
      try require(forkServer == .ready, "a worker asked of no fork server")
      try require(process(id) == nil, "a worker's id given twice")
      processes.append(Process(id: id))
      try require(processes.count <= machine.rules.maximum + machine.rules.spares, "too many processes")
    case .forget(let id):
      guard let index = process(id) else { throw Violation("\(action): the worker is gone") }
      // One that SIGKILL has not ended in all that time is given up.
      let isGivenUp = processes[index].isKilled && event == .timerFired(.termination(id))
      try require(!processes[index].hasProcess || isGivenUp, "forgot a living worker")
      for call in calls.indices where calls[call].worker == id { calls[call].worker = nil }
      processes.remove(at: index)
    case .send(let call, let worker, let attempt): try send(call, worker, attempt)
    case .cancelInWorker(let id, let call):
      guard let index = process(id) else { throw Violation("\(action): the worker is gone") }
      try require(processes[index].call == call && !processes[index].isLeaving, "\(action): it does not run it")
      try require(!processes[index].isCallCancelled, "\(action): twice")
      processes[index].isCallCancelled = true
    case .askToExit(let id):
      guard let index = process(id) else { throw Violation("\(action): the worker is gone") }
      try require(processes[index].isReady && processes[index].call == nil, "\(action): it is at work")
      try require(!processes[index].isLeaving, "\(action): it leaves already")
      processes[index].isAsked = true
    case .terminate(let id):
      guard let index = process(id), processes[index].hasProcess else { throw Violation("\(action): no process") }
      let wasAsked = processes[index].isAsked || processes[index].isCallCancelled
      try require(wasAsked, "\(action): not asked politely first")
      try require(!processes[index].isTerminated && !processes[index].isKilled, "\(action): twice")
      processes[index].isTerminated = true
    case .kill(let id):
      guard let index = process(id), processes[index].hasProcess else { throw Violation("\(action): no process") }
      try require(!processes[index].isKilled, "\(action): twice")
      processes[index].isKilled = true
    case .startTimer(let timer, _):
      try require(!timers.contains(timer), "\(timer) started twice")
      timers.append(timer)
    case .cancelTimer(let timer):
      guard let index = timers.firstIndex(of: timer) else { throw Violation("\(timer) does not run") }
      timers.remove(at: index)
    case .answer(let call, let outcome): try answer(call, outcome, event, before)
    case .fail:
      try require(!hasFailed, "failed twice")
      hasFailed = true
    case .end:
      try require(!hasEnded, "ended twice")
      let isEmpty = processes.isEmpty && calls.isEmpty && timers.isEmpty && forkServer == .absent
      try require(isEmpty && (isShutDown || hasFailed), "ended too early")
      hasEnded = true
    }
  }

  private mutating func send(_ id: CallID, _ worker: WorkerID, _ attempt: Int) throws(Violation) {
    guard let call = caller(id), let index = process(worker) else { throw Violation("sent \(id) from or to nobody") }
    let process = processes[index]
    try require(!calls[call].isHold && calls[call].worker == nil, "\(id) sent while it runs")
    try require(process.call == nil, "\(worker) has two calls")
    try checkChoice(of: calls[call], on: process)
    let mayRepeat = calls[call].request.isRepeatable && attempt <= machine.rules.maximumAttempts
    try require(calls[call].sends == 0 || mayRepeat, "\(id) sent again")
    try require(attempt == calls[call].sends + 1, "attempts miscounted")
    calls[call].sends = attempt
    calls[call].worker = worker
    processes[index].call = id
  }

  /// The worker may take it, and no call that it may take stands before it.
  private func checkChoice(of call: Caller, on process: Process) throws(Violation) {
    try require(process.hasProcess && process.isReady && !process.isStopped, "\(call.id) given to one not ready")
    try require(!process.isMute, "\(call.id) given to one that cannot be reached")
    try require(!process.isLeaving, "\(call.id) given to one that leaves")
    try require(mayRun(call, process), "\(call.id) is not for \(process.id)")
    for other in calls where other.worker == nil && other.id != call.id && mayRun(other, process) {
      let left = (other.request.priority.rawValue, call.id.rawValue)
      let right = (call.request.priority.rawValue, other.id.rawValue)
      try require(left < right, "\(call.id) before \(other.id)")
    }
  }

  func mayRun(_ call: Caller, _ process: Process) -> Bool {
    switch call.request.target {
    case .any: process.lease == nil && !process.isRetiring
    case .worker(let worker): process.lease == nil && process.id == worker
    case .lease(let lease): process.lease == lease
    }
  }

  private mutating func answer(
    _ id: CallID, _ outcome: CallOutcome, _ event: PoolEvent, _ before: World
  ) throws(Violation) {
    guard let index = caller(id) else { throw Violation("\(id) answered twice: \(outcome)") }
    let call = calls[index]
    calls.remove(at: index)
    if case .granted(let worker) = outcome {
      try require(call.isHold, "\(id) granted")
      guard let index = process(worker), processes[index].call == nil else { throw Violation("granted a busy worker") }
      try checkChoice(of: call, on: processes[index])
      processes[index].lease = id
      held.append(Lease(id: id, worker: worker))
      return
    }
    try require(isTrue(outcome, of: call, event, before), "\(id) answered \(outcome) on \(event)")
  }

  private func isTrue(_ outcome: CallOutcome, of call: Caller, _ event: PoolEvent, _ before: World) -> Bool {
    switch outcome {
    case .reply:
      if case .reply(let worker, call.id) = event { return call.worker == worker }
    case .granted: return call.isHold
    case .crashed(let worker):
      let wasKilled = before.process(worker).map { before.processes[$0].isKilled } ?? false
      let isGivenUp = wasKilled && event == .timerFired(.termination(worker))
      let isEnd = if case .exited(worker, _) = event { true } else { isGivenUp }
      return isEnd && before.calls.contains { $0.id == call.id && $0.worker == worker }
    case .workerLost(let worker):
      return call.request.target == .worker(worker) && (process(worker).map { processes[$0].isLeaving } ?? true)
    case .leaseLost(let lease):
      guard call.request.target == .lease(lease) else { return false }
      guard let lease = held.first(where: { $0.id == lease }) else { return true }
      return process(lease.worker) == nil
    case .deadlineExceeded:
      if case .timerFired(.deadline(let worker, call.id)) = event { return call.worker == worker }
      // It had not begun: that is overlooked once, which is as long as a worker's start may take.
      guard case .deadlineCame(let worker, call.id, _) = event, let index = process(worker) else { return false }
      return call.worker == worker && processes[index].latenesses > 1
    case .cancelled:
      if case .release(let lease) = event, call.request.target == .lease(lease) { return call.worker == nil }
      guard call.wantsCancel else { return false }
      if case .notBegun(_, call.id) = event { return true }
      return call.worker == nil ? event == .cancel(call.id) : true
    case .queueFull:
      guard let limit = machine.rules.queueLimit else { return false }
      return before.calls.count(where: { $0.worker == nil }) >= limit
    case .poolClosed: return isShutDown && !hasFailed
    case .poolFailed: return hasFailed
    }
    return false
  }

  func require(_ condition: Bool, _ complaint: @autoclosure () -> String) throws(Violation) {
    if !condition { throw Violation(complaint()) }
  }
}
