/// The fork server, and what repeated deaths lead to.
extension PoolStateMachine {
  mutating func startForkServer(_ actions: inout [PoolAction]) {
    forkServer = .starting
    actions.append(.startForkServer)
    actions.append(.startTimer(.forkServer, after: rules.startTimeout))
  }

  mutating func forkServerReady(_ actions: inout [PoolAction]) {
    guard forkServer == .starting else { return }
    forkServer = .ready
    actions.append(.cancelTimer(.forkServer))
  }

  /// Workers that run, run on. Those it was asked for and gave no word of are asked for anew.
  ///
  /// Its death counts where it cost something, a start it was asked for or its own: else a fork server that dies of every
  /// request would be started for ever, with calls waiting.
  mutating func forkServerDied(at time: Duration, _ actions: inout [PoolAction]) {
    guard forkServer != .absent else { return }
    if forkServer == .starting || forkServer == .closing { actions.append(.cancelTimer(.forkServer)) }
    var isFault = forkServer == .starting || forkServer == .failing
    forkServer = .absent
    for index in workers.indices.reversed() where !workers[index].hasProcess {
      isFault = isFault || workers[index].phase == .starting || workers[index].isAtFault
      forget(index, &actions)
    }
    if isFault { noteDeath(at: time, isFailedStart: true, &actions) }
  }

  private mutating func forget(_ index: Int, _ actions: inout [PoolAction]) {
    stopAllTimers(index, &actions)
    var worker = workers.remove(at: index)
    actions.append(.forget(worker.id))
    for call in worker.inbox.removeAll() { answer(call, .workerLost(worker.id), &actions) }
  }

  mutating func forkServerTimedOut(_ actions: inout [PoolAction]) {
    guard forkServer == .starting || forkServer == .closing else { return }
    forkServer = forkServer == .starting ? .failing : .killed
    actions.append(.killForkServer)
  }

  mutating func killForkServer(_ actions: inout [PoolAction]) {
    guard forkServer == .ready else { return }
    forkServer = .killed
    actions.append(.killForkServer)
  }

  /// A process ended that was not asked to, and with no call in it.
  ///
  /// Starts that fail come ever more slowly, so that a window may never have its fill of them: in a row they count
  /// whenever they were. Those of a round have one reason, as have deaths that come together, and count once.
  mutating func noteDeath(at time: Duration, isFailedStart: Bool, _ actions: inout [PoolAction]) {
    guard life == .running || life == .draining, !hasFailed else { return }
    if isFailedStart {
      if isBackingOff { return }
      backOff(&actions)
    }
    guard let limit = rules.restartLimit else { return }
    deaths.removeAll { time - $0 >= limit.window }
    if !isFailedStart, let last = deaths.last, time - last < Self.together { return }
    deaths.append(time)
    if deaths.count > limit.deaths || failedStarts > limit.deaths { fail(&actions) }
  }

  /// One event may kill many workers.
  private static let together = Duration.milliseconds(50)

  private mutating func backOff(_ actions: inout [PoolAction]) {
    failedStarts += 1
    isBackingOff = true
    var delay = rules.backOff
    var doublings = failedStarts - 1
    while doublings > 0, delay < rules.maximumBackOff {
      delay += delay
      doublings -= 1
    }
    actions.append(.startTimer(.backOff, after: min(delay, rules.maximumBackOff)))
  }

  /// Loudly: whoever waits is told at once. What runs on workers that are well is let finish, as their callers are owed.
  private mutating func fail(_ actions: inout [PoolAction]) {
    hasFailed = true
    life = .draining
    actions.append(.fail)
    answerWaiting(.poolFailed, &actions)
  }
}
