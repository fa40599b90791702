/// The way of a call: it waits, it is sent, it is answered.
extension PoolStateMachine {
  mutating func submit(_ id: CallID, _ call: PoolCall, _ actions: inout [PoolAction]) {
    guard calls[id] == nil else { return }
    if let refusal = refusal(of: call) {
      actions.append(.answer(id, refusal))
      return
    }
    calls[id] = call
    enqueue(id, call.request)
    guard let limit = rules.queueLimit else { return }
    // Whether it has to wait shows only then.
    dispatch(&actions)
    if let waiting = calls[id], waiting.worker == nil, waitingCount - toCome > limit {
      dequeue(id, call.request)
      answer(id, .queueFull, &actions)
    }
  }

  private func refusal(of call: PoolCall) -> CallOutcome? {
    if hasFailed { return .poolFailed }
    switch call.request.target {
    case .any:
      // Before it opens, calls wait.
      return life == .running || life == .unopened ? nil : .poolClosed
    case .worker(let worker):
      guard life == .running else { return .poolClosed }
      guard let index = index(of: worker), workers[index].isUsable else { return .workerLost(worker) }
      return nil
    case .lease(let lease):
      // The holder came before the shutdown: a drain lets him finish.
      guard life == .running || life == .draining else { return .poolClosed }
      guard let index = leaseIndex(of: lease), !leases[index].isLost else { return .leaseLost(lease) }
      return nil
    }
  }

  /// A cancelled call that waits is answered at once. One that runs may answer for itself, for a while.
  mutating func cancel(_ id: CallID, _ actions: inout [PoolAction]) {
    guard let call = calls[id] else { return }
    if let worker = call.worker {
      if let index = index(of: worker) { cancelWork(index, &actions) }
    } else {
      dequeue(id, call.request)
      answer(id, .cancelled, &actions)
    }
  }

  mutating func reply(_ worker: WorkerID, _ call: CallID, _ actions: inout [PoolAction]) {
    guard let index = index(of: worker) else { return }
    guard let work = workers[index].work, work.call == call else {
      protocolViolation(worker, &actions)
      return
    }
    stopWorkTimers(index, &actions)
    workers[index].work = nil
    if let limit = rules.callsPerWorker {
      workers[index].callsDone += 1
      if workers[index].callsDone >= limit { workers[index].isRetiring = true }
    }
    guard !work.isAnswered, calls.removeValue(forKey: call) != nil else { return }
    // The worker's next call goes first: to wake a caller takes a while, which the worker would wait for nothing.
    dispatch(&actions)
    actions.append(.answer(call, .reply))
  }

  // MARK: Queues

  private var waitingCount: Int {
    workers.reduce(calls.count) { count, worker in
      guard let work = worker.work, !work.isAnswered else { return count }
      return count - 1
    }
  }

  /// How many of the calls that wait will be taken by workers that are not there yet: those wait for no other call.
  private var toCome: Int { max(0, rules.maximum - workers.reduce(0) { $0 + ($1.isServing ? 1 : 0) }) }

  mutating func enqueue(_ id: CallID, _ request: CallRequest) {
    switch request.target {
    case .any: queue.insert(id, priority: request.priority)
    case .worker(let worker):
      if let index = index(of: worker) { workers[index].inbox.insert(id, priority: request.priority) }
    case .lease(let lease):
      if let index = leaseIndex(of: lease) { leases[index].queue.insert(id, priority: request.priority) }
    }
  }

  private mutating func dequeue(_ id: CallID, _ request: CallRequest) {
    switch request.target {
    case .any: queue.remove(id, priority: request.priority)
    case .worker(let worker):
      if let index = index(of: worker) { workers[index].inbox.remove(id, priority: request.priority) }
    case .lease(let lease):
      if let index = leaseIndex(of: lease) { leases[index].queue.remove(id, priority: request.priority) }
    }
  }

  mutating func answer(_ call: CallID, _ outcome: CallOutcome, _ actions: inout [PoolAction]) {
    guard calls.removeValue(forKey: call) != nil else { return }
    actions.append(.answer(call, outcome))
  }

  /// Answers all that waits, so that nothing will be sent again.
  mutating func answerWaiting(_ outcome: CallOutcome, _ actions: inout [PoolAction]) {
    var waiting = queue.removeAll()
    for index in workers.indices { waiting += workers[index].inbox.removeAll() }
    for index in leases.indices { waiting += leases[index].queue.removeAll() }
    for call in waiting { answer(call, outcome, &actions) }
  }

  // MARK: Sending

  /// Gives free workers what waits. The longest-lived workers are chosen first, so that where there is little to do the
  /// others fall idle and can go.
  mutating func dispatch(_ actions: inout [PoolAction]) {
    for index in workers.indices where workers[index].isFree {
      if let lease = workers[index].lease {
        guard let held = leaseIndex(of: lease), let call = leases[held].queue.removeFirst() else { continue }
        send(call, to: index, &actions)
      } else if let call = takeNext(for: index) {
        send(call, to: index, &actions)
      }
    }
  }

  private mutating func takeNext(for index: Int) -> CallID? {
    let own = workers[index].inbox.first
    let common = workers[index].isRetiring ? nil : queue.first
    guard own != nil || common != nil else { return nil }
    guard workers.reduce(0, { $0 + ($1.isServing ? 1 : 0) }) < rules.maximum else { return nil }
    return goesBefore(own, common) ? workers[index].inbox.removeFirst() : queue.removeFirst()
  }

  private func goesBefore(_ own: CallID?, _ common: CallID?) -> Bool {
    guard let own else { return false }
    guard let common else { return true }
    guard let left = calls[own]?.request.priority, let right = calls[common]?.request.priority else { return true }
    return left == right ? own < common : left > right
  }

  private mutating func send(_ id: CallID, to index: Int, _ actions: inout [PoolAction]) {
    guard let place = calls.index(forKey: id) else { return }
    if calls.values[place].isHold { return grant(id, index, &actions) }
    let worker = workers[index].id
    calls.values[place].attempts += 1
    calls.values[place].worker = worker
    let call = calls.values[place]
    var work = PoolWork(call: id)
    actions.append(.send(id, to: worker, attempt: call.attempts))
    if let deadline = call.request.deadline ?? rules.callDeadline {
      work.isTimed = true
      actions.append(.startTimer(.deadline(worker, id), after: deadline))
    }
    workers[index].work = work
    workers[index].isRested = false
  }
}
