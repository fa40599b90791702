@testable import Workers

struct Violation: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}

/// A pool's machine and everything it talks to: processes, callers, timers, the fork server.
///
/// It keeps its own books, from events and actions alone, and finds fault with the machine where they differ from
/// what a pool may do.
struct World {
  let scenario: Scenario
  var machine: PoolStateMachine
  var processes: [Process] = []
  var calls: [Caller] = []
  var held: [Lease] = []
  var timers: [PoolTimer] = []
  var forkServer = ForkServer.absent

  var submitted = 0
  var faults = 0
  var forkServerDeaths = 0
  var retirements = 0
  var deathTime = Duration.zero
  var isShutDown = false
  var isCancelled = false
  var hasFailed = false
  var hasEnded = false

  enum ForkServer: Int { case absent, starting, ready, closing, killed }

  struct Process {
    let id: WorkerID
    var hasProcess = false
    var isReady = false
    var isStopped = false
    var isMute = false
    var isRetiring = false
    var isAsked = false
    var isTerminated = false
    var isKilled = false
    var call: CallID?
    var isCallCancelled = false
    var lease: LeaseID?
    var callsDone = 0
    /// How often its call had not begun when its deadline came.
    var latenesses = 0

    var isLeaving: Bool { isAsked || isTerminated || isKilled }
  }

  struct Caller {
    let id: CallID
    let request: CallRequest
    var isHold = false
    var sends = 0
    var losses = 0
    var worker: WorkerID?
    var wantsCancel = false
  }

  struct Lease {
    let id: LeaseID
    let worker: WorkerID
  }

  init(_ scenario: Scenario) {
    self.scenario = scenario
    machine = PoolStateMachine(rules: scenario.rules)
  }

  func process(_ id: WorkerID) -> Int? { processes.firstIndex { $0.id == id } }
  func caller(_ id: CallID) -> Int? { calls.firstIndex { $0.id == id } }

  /// Lets an event happen, and the machine's actions be carried out and judged.
  mutating func happen(_ event: PoolEvent) throws(Violation) {
    let before = self
    note(event)
    let actions = machine.receive(event)
    for action in actions {
      guard !hasEnded || isAnswerToSubmission(action, event) else { throw Violation("\(action) after the end") }
      try carryOut(action, event, before)
    }
    try checkState()
    if case .submit(let call, _) = event { try checkQueueLimit(call) }
  }

  private func isAnswerToSubmission(_ action: PoolAction, _ event: PoolEvent) -> Bool {
    switch (event, action) {
    case (.submit(let submitted, _), .answer(let answered, _)), (.hold(let submitted, _), .answer(let answered, _)):
      submitted == answered
    default: false
    }
  }

  /// A worker that is as good as gone has not begun with the call. So often that may be said of a call, and be believed.
  private mutating func lose(_ id: CallID, in worker: WorkerID) {
    guard let index = process(worker) else { return }
    processes[index].isMute = true
    guard let call = caller(id), calls[call].losses < scenario.rules.maximumAttempts else { return }
    calls[call].losses += 1
    calls[call].sends -= 1
    calls[call].worker = nil
    processes[index].call = nil
    processes[index].isCallCancelled = false
    processes[index].latenesses = 0
  }

  /// What the event itself changes outside the pool.
  private mutating func note(_ event: PoolEvent) {
    switch event {
    case .open: break
    case .submit(let id, let request): calls.append(Caller(id: id, request: request))
    case .hold(let id, let priority):
      calls.append(Caller(id: id, request: CallRequest(priority: priority), isHold: true))
    case .cancel(let id): if let index = caller(id) { calls[index].wantsCancel = true }
    case .release(let id):
      held.removeAll { $0.id == id }
      for index in processes.indices where processes[index].lease == id { processes[index].lease = nil }
    case .processStarted(let id): if let index = process(id) { processes[index].hasProcess = true }
    case .workerReady(let id): if let index = process(id) { processes[index].isReady = true }
    case .startFailed(let id, _), .exited(let id, _):
      processes.removeAll { $0.id == id }
      for index in calls.indices where calls[index].worker == id { calls[index].worker = nil }
    case .reply(let id, let call):
      if let index = process(id), processes[index].call == call {
        processes[index].call = nil
        processes[index].isCallCancelled = false
        processes[index].latenesses = 0
        if let limit = scenario.rules.callsPerWorker {
          processes[index].callsDone += 1
          if processes[index].callsDone >= limit { processes[index].isRetiring = true }
        }
      }
    case .protocolViolation: break
    case .channelEnded(let id): if let index = process(id) { processes[index].isMute = true }
    case .notBegun(let id, let call): lose(call, in: id)
    case .stopped(let id): if let index = process(id) { processes[index].isStopped = true }
    case .continued(let id): if let index = process(id) { processes[index].isStopped = false }
    case .retire(let id): if let index = process(id) { processes[index].isRetiring = true }
    case .forkServerReady: forkServer = .ready
    case .forkServerDied: forkServer = .absent
    case .timerFired(let timer): timers.removeAll { $0 == timer }
    case .deadlineCame(let id, let call, let time):
      timers.removeAll { $0 == .deadline(id, call) }
      if let index = process(id), time == .zero { processes[index].latenesses += 1 }
    case .shutdown(let shutdown):
      isShutDown = true
      isCancelled = isCancelled || shutdown == .cancel
    }
  }
}
