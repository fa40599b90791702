@testable import Workers

/// A pool whose processes do as the test says, and what the machine made of it.
struct Pool {
  var machine: PoolStateMachine
  private(set) var answers: [Int: CallOutcome] = [:]
  /// Of the last event.
  private(set) var actions: [PoolAction] = []

  /// With its workers ready, numbered from 0.
  init(_ workers: Int = 1, _ change: (inout PoolRules) -> Void = { _ in }) {
    var rules = PoolRules(minimum: workers, maximum: workers)
    change(&rules)
    machine = PoolStateMachine(rules: rules)
    happen(.open)
    happen(.forkServerReady)
    for worker in 0..<(rules.minimum + rules.spares) { start(worker) }
  }

  mutating func happen(_ event: PoolEvent) {
    actions = machine.receive(event)
    for case .answer(let call, let outcome) in actions { answers[call.rawValue] = outcome }
  }

  mutating func start(_ worker: Int) {
    happen(.processStarted(WorkerID(rawValue: worker)))
    happen(.workerReady(WorkerID(rawValue: worker)))
  }

  mutating func submit(_ call: Int, _ request: CallRequest = CallRequest()) {
    happen(.submit(CallID(rawValue: call), request))
  }

  mutating func reply(_ worker: Int, _ call: Int) {
    happen(.reply(WorkerID(rawValue: worker), CallID(rawValue: call)))
  }

  mutating func die(_ worker: Int, at time: Duration = .zero) {
    happen(.exited(WorkerID(rawValue: worker), at: time))
  }

  /// The worker that runs the call.
  func worker(of call: Int) -> Int? { machine.calls[CallID(rawValue: call)]?.worker?.rawValue }
}

extension WorkerID {
  static let first = WorkerID(rawValue: 0)
  static let second = WorkerID(rawValue: 1)
}

extension CallID {
  static let first = CallID(rawValue: 0)
  static let second = CallID(rawValue: 1)
}
