/// The end: every call is answered, every process gone, every timer stopped.
extension PoolStateMachine {
  mutating func shutDown(_ shutdown: PoolShutdown, _ actions: inout [PoolAction]) {
    guard life != .cancelling, life != .ended else { return }
    switch shutdown {
    case .cancel: cancelAll(&actions)
    case .drain(let limit):
      life = .draining
      guard let limit, !isShutdownTimed else { return }
      isShutdownTimed = true
      actions.append(.startTimer(.shutdown, after: limit))
    }
  }

  mutating func shutdownTimedOut(_ actions: inout [PoolAction]) {
    guard isShutdownTimed else { return }
    isShutdownTimed = false
    if life == .draining { cancelAll(&actions) }
  }

  /// What a call is told that the pool makes no more.
  var refusal: CallOutcome { hasFailed ? .poolFailed : .poolClosed }

  private mutating func cancelAll(_ actions: inout [PoolAction]) {
    life = .cancelling
    answerWaiting(refusal, &actions)
    for index in workers.indices { cancelWork(index, &actions) }
  }

  /// The fork server goes last, since it reports how its workers ended.
  mutating func endIfDone(_ actions: inout [PoolAction]) {
    guard life == .draining || life == .cancelling, calls.isEmpty, workers.isEmpty else { return }
    stopPoolTimers(&actions)
    switch forkServer {
    case .absent:
      life = .ended
      leases = []
      actions.append(.end)
    case .starting:
      forkServer = .killed
      actions.append(.cancelTimer(.forkServer))
      actions.append(.killForkServer)
    case .ready:
      forkServer = .closing
      actions.append(.closeForkServer)
      actions.append(.startTimer(.forkServer, after: rules.gracePeriod))
    case .closing, .failing, .killed:
      break
    }
  }

  private mutating func stopPoolTimers(_ actions: inout [PoolAction]) {
    if isBackingOff { actions.append(.cancelTimer(.backOff)) }
    if isIdleTimed { actions.append(.cancelTimer(.idle)) }
    if isShutdownTimed { actions.append(.cancelTimer(.shutdown)) }
    isBackingOff = false
    isIdleTimed = false
    isShutdownTimed = false
  }
}
