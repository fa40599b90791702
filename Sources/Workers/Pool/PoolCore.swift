import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Drives a pool's state machine: brings it what happens, one event at a time, and carries out what it decides, in its
/// order. It decides nothing itself.
///
/// It lives until the pool has ended, which always comes: what it is known to refers to it as it refers to them, and not
/// weakly, which would make each of its many reference counts ten times as dear.
final class PoolCore: Sendable {
  struct State {
    var machine: PoolStateMachine
    /// Decided, and not carried out yet.
    var actions: [PoolAction] = []
    var next = 0
    var isCarryingOut = false
    /// Workers to be started. That takes a millisecond each, for which no call is to wait: it is done when nothing else is to
    /// be, and no longer in the order of the rest.
    var starts: [WorkerID] = []
    /// Those being started, and whether they have been forgotten meanwhile.
    var starting: [WorkerID: Bool] = [:]
    var calls: [CallID: PendingCall] = [:]
    var workers: [WorkerID: PooledWorker] = [:]
    var forkServer: ForkServer?
    /// Those that have ended, for as long as workers of theirs live: letting go of one would kill these.
    var endedForkServers: [ForkServer] = []
    /// Counts the fork servers, so that the end of one is not taken for that of the next.
    var generation = 0
    var freeSlots: [Int]
    var crashes: [WorkerID: CrashReport] = [:]
    var crashOrder: [WorkerID] = []
    var lastCause = "none could be started"
    /// What was the last when the pool failed.
    var failureCause: String?
    var hasEnded = false
    var whenEnded: [CheckedContinuation<Void, Never>] = []
    var outOfMemoryKills = OutOfMemoryKills()
  }

  let configuration: WorkerPoolConfiguration
  let observer: PoolObserver
  let actorName: String
  let status: StatusPage
  let statusMemory: OwnedDescriptor
  let state: Mutex<State>
  let clock = Mutex<PoolTimers?>(nil)
  /// Where large arguments go.
  let blocks = Mutex<Arena?>(nil)
  private let start = ContinuousClock.now
  /// Counts the calls.
  let lastCall = Atomic(0)
  /// How many callers look for their reply without suspending.
  let looking = Atomic(0)
  let look = CallLook()

  init(_ configuration: WorkerPoolConfiguration, actorName: String) throws {
    guard configuration.mechanism.isTwoWay else {
      throw InterprocessError(
        call: "WorkerPool", object: "\(configuration.mechanism)", errno: .invalidArgument,
        remedy: "a pool needs a mechanism whose channel goes both ways")
    }
    // Without it no timer fires, and a pool whose workers do not start would wait for ever to try again.
    _ = try Reactor.shared()
    self.configuration = configuration
    observer = PoolObserver(configuration)
    self.actorName = actorName
    let rules = configuration.rules
    // Workers that are on their way out keep their slots until they are gone.
    let slots = 2 * (rules.maximum + rules.spares) + 8
    let memory = try StatusPage.create(slots: slots, process: getpid())
    statusMemory = try memory.descriptor.copy()
    status = StatusPage(memory.takeMapping())
    state = Mutex(State(machine: PoolStateMachine(rules: rules), freeSlots: Array((0..<slots).reversed())))
    let arena = Arena(mostFree: rules.maximum + 1) { block in self.forget(block) }
    blocks.withLock { $0 = arena }
    let timers = PoolTimers { timer in self.feed(self.event(of: timer)) }
    clock.withLock { $0 = timers }
  }

  private func event(of timer: PoolTimer) -> PoolEvent {
    guard case .deadline(let id, let call) = timer, let worker = worker(id) else { return .timerFired(timer) }
    return .deadlineCame(id, call, hasRun: worker.journal.timeRun(UInt64(call.rawValue)))
  }

  var timers: PoolTimers? { clock.withLock { $0 } }
  var arena: Arena? { blocks.withLock { $0 } }

  /// On whichever thread lets go of a block last, with no lock held.
  private func forget(_ block: UInt64) {
    let workers = state.withLock { Array($0.workers.values) }
    for worker in workers { worker.forget(block) }
  }

  var now: Duration { ContinuousClock.now - start }

  func open() { feed(.open) }

  /// Brings an event to the machine, and carries out what follows, unless another thread is at it: then it will.
  ///
  /// - Parameter prepare: changes what the event refers to, under the same lock.
  /// - Returns: the workers that a call was sent to and nobody reads; the caller sees to that.
  func feedAndCarryOut(_ event: PoolEvent, _ prepare: (inout State) -> Void = { _ in }) -> UnreadWorkers {
    var next = state.withLock { state -> Step in
      prepare(&state)
      state.machine.receive(event, into: &state.actions)
      if state.machine.hasFailed, state.failureCause == nil { state.failureCause = state.lastCause }
      return state.isCarryingOut ? .nothing : state.nextStep()
    }
    var toRead = UnreadWorkers()
    while true {
      switch next {
      case .send(let call, let worker, let attempt): send(call, to: worker, attempt, &toRead)
      case .answer(let call, let outcome): answer(call, outcome)
      case .carryOut(let action): carryOut(action)
      case .start(let worker):
        // What was to be read is, though the start takes its time.
        toRead.takeAll(startReading)
        startWorker(worker)
        next = state.withLock { $0.isCarryingOut ? .nothing : $0.nextStart() }
        continue
      case .nothing: return toRead
      }
      next = state.withLock { $0.nextStep() }
    }
  }

  func feed(_ event: PoolEvent, _ prepare: (inout State) -> Void = { _ in }) {
    var toRead = feedAndCarryOut(event, prepare)
    toRead.takeAll(startReading)
  }

  func worker(_ id: WorkerID) -> PooledWorker? { state.withLock { $0.workers[id] } }
}

/// Workers that a call was sent to and that nobody reads. It is one, mostly, for which nothing is allocated.
struct UnreadWorkers {
  private var first: PooledWorker?
  private var others: [PooledWorker] = []

  mutating func append(_ worker: PooledWorker) {
    if first == nil { first = worker } else { others.append(worker) }
  }

  mutating func takeAll(_ body: (PooledWorker) -> Void) {
    if let first = first.take() { body(first) }
    if others.isEmpty { return }
    for worker in others { body(worker) }
    others = []
  }
}

/// What a thread that drives the machine does next.
private enum Step {
  case send(PendingCall, to: PooledWorker, attempt: Int)
  case answer(PendingCall, CallOutcome)
  case carryOut(PoolAction)
  case start(WorkerID)
  case nothing
}

extension PoolCore.State {
  /// - Returns: of what has been decided, the next; a start once nothing else is left.
  fileprivate mutating func nextStep() -> Step {
    isCarryingOut = next < actions.count
    if isCarryingOut {
      next += 1
      return step(for: actions[next - 1])
    }
    actions.removeAll(keepingCapacity: true)
    next = 0
    return nextStart()
  }

  /// What each call needs is looked up here, where the lock is held anyway.
  private mutating func step(for action: PoolAction) -> Step {
    switch action {
    case .send(let id, let worker, let attempt):
      if let call = calls[id], let worker = workers[worker] { return .send(call, to: worker, attempt: attempt) }
    case .answer(let id, let outcome):
      if let call = calls.removeValue(forKey: id) { return .answer(call, outcome) }
    default: break
    }
    return .carryOut(action)
  }

  fileprivate mutating func nextStart() -> Step {
    if starts.isEmpty { return .nothing }
    let worker = starts.removeFirst()
    starting[worker] = false
    return .start(worker)
  }
}
