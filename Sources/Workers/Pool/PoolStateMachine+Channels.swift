/// Workers that cannot be talked to, though their processes may live.
extension PoolStateMachine {
  /// Its process will be gone too, or is: that is waited for, for a while. It gets no call meanwhile.
  mutating func channelEnded(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].isUsable, !workers[index].isMute else { return }
    workers[index].isMute = true
    workers[index].isMuteTimed = true
    actions.append(.startTimer(.silence(worker), after: rules.gracePeriod))
  }

  /// The call that it was sent, or is about to be.
  func work(of worker: WorkerID) -> CallID? { index(of: worker).flatMap { workers[$0].work?.call } }

  mutating func silenceTimedOut(_ worker: WorkerID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), workers[index].isMuteTimed else { return }
    workers[index].isMuteTimed = false
    killAtFault(index, &actions)
  }

  mutating func stopMuteTimer(_ index: Int, _ actions: inout [PoolAction]) {
    guard workers[index].isMuteTimed else { return }
    workers[index].isMuteTimed = false
    actions.append(.cancelTimer(.silence(workers[index].id)))
  }

  /// The call goes back to its place in the queue, as if it had never been sent: none of its code has run.
  ///
  /// A call of which every worker dies before it begins (its arguments may take all memory) is not sent for ever: in the
  /// end it counts as begun, and is answered when its worker is gone.
  mutating func notBegun(_ worker: WorkerID, _ id: CallID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker), let work = workers[index].work, work.call == id else { return }
    channelEnded(worker, &actions)
    guard !work.isAnswered, var call = calls[id], call.losses < rules.maximumAttempts else { return }
    stopWorkTimers(index, &actions)
    workers[index].work = nil
    call.worker = nil
    call.attempts -= 1
    call.losses += 1
    calls[id] = call
    if hasFailed || life == .cancelling || work.isCancelling {
      answer(id, hasFailed || life == .cancelling ? refusal : .cancelled, &actions)
    } else {
      enqueue(id, call.request)
    }
  }
}
