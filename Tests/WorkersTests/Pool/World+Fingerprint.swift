@testable import Workers

/// A state written down so that two that differ only in names are the same.
///
/// Workers are numbered by rank, as the machine compares their ids and does nothing else with them. Left out is what has no
/// bearing on what comes next: the next worker's id, times of deaths where only their number counts, and, where nothing
/// limits it, the number of failed starts, which only sets how long a timer runs.
extension World {
  var fingerprint: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(192)
    func add(_ value: Int) { bytes.append(UInt8(truncatingIfNeeded: value)) }
    func add(_ flags: Bool...) { add(flags.reduce(0) { $0 << 1 | ($1 ? 1 : 0) }) }
    func rank(_ id: WorkerID) -> Int { processes.firstIndex { $0.id == id } ?? (id.rawValue + 100) }
    func add(_ target: CallTarget) {
      switch target {
      case .any: add(0)
      case .worker(let worker): add(16 + rank(worker))
      case .lease(let lease): add(1 + lease.rawValue)
      }
    }
    func code(_ timer: PoolTimer) -> Int {
      switch timer {
      case .deadline(let worker, let call): 1000 + rank(worker) * 16 + call.rawValue
      case .cancellation(let worker, let call): 2000 + rank(worker) * 16 + call.rawValue
      case .closing(let worker): 3000 + rank(worker)
      case .termination(let worker): 4000 + rank(worker)
      case .start(let worker): 5000 + rank(worker)
      case .stop(let worker): 6000 + rank(worker)
      case .silence(let worker): 7000 + rank(worker)
      case .forkServer: 1
      case .backOff: 2
      case .idle: 3
      case .shutdown: 4
      }
    }
    func add(_ timer: PoolTimer?) {
      let code = timer.map(code) ?? 0
      add(code >> 8)
      add(code)
    }
    func add(_ queue: CallQueue) {
      for call in queue.calls { add(call.rawValue) }
      add(255)
    }

    addCounts(add)
    add(hasFailed, hasEnded, isShutDown, isCancelled)
    add(machine.hasFailed, machine.isBackingOff, machine.isIdleTimed, machine.isShutdownTimed)
    add(machine.queue)
    for process in processes {
      add(process.hasProcess, process.isReady, process.isStopped, process.isRetiring)
      add(process.isAsked, process.isTerminated, process.isKilled, process.isCallCancelled)
      add(process.isMute)
      add(process.call?.rawValue ?? 200)
      add(process.lease?.rawValue ?? 200)
      add(process.callsDone)
      add(process.latenesses)
    }
    add(254)
    for worker in machine.workers {
      add(rank(worker.id))
      add(phaseCode(worker.phase))
      add(worker.hasProcess, worker.isReady, worker.isStopped, worker.isRetiring, worker.isRested, worker.isAtFault)
      add(worker.isStartTimed, worker.isStopTimed, worker.isMute, worker.isMuteTimed)
      add(worker.callsDone)
      add(worker.work?.call.rawValue ?? 200)
      if let work = worker.work { add(work.isAnswered, work.isCancelling, work.isTimed, work.added > .zero) }
      add(worker.lease?.rawValue ?? 200)
      add(worker.ladder)
      add(worker.inbox)
    }
    add(253)
    for lease in machine.leases {
      add(lease.id.rawValue)
      add(rank(lease.worker))
      add(lease.isLost)
      add(lease.queue)
    }
    add(252)
    for lease in held {
      add(lease.id.rawValue)
      add(rank(lease.worker))
    }
    add(251)
    for call in calls {
      add(call.id.rawValue)
      add(call.request.target)
      add(call.isHold, call.wantsCancel)
      add(call.sends)
      add(call.worker.map(rank) ?? 200)
      add(call.losses)
      add(machine.calls[call.id]?.attempts ?? 200)
      add(machine.calls[call.id]?.losses ?? 200)
      add(machine.calls[call.id]?.worker.map(rank) ?? 200)
    }
    for timer in timers.map(code).sorted() {
      add(timer >> 8)
      add(timer)
    }
    return bytes
  }

  private func addCounts(_ add: (Int) -> Void) {
    let life =
      switch machine.life {
      case .unopened: 0
      case .running: 1
      case .draining: 2
      case .cancelling: 3
      case .ended: 4
      }
    let server =
      switch machine.forkServer {
      case .absent: 0
      case .starting: 1
      case .ready: 2
      case .closing: 3
      case .failing: 4
      case .killed: 5
      }
    for count in [
      life, server, forkServer.rawValue, submitted, faults, forkServerDeaths, retirements, machine.deaths.count,
      scenario.rules.restartLimit.map { min($0.deaths, machine.failedStarts) } ?? 0,
    ] {
      add(count)
    }
  }

  private func phaseCode(_ phase: PoolWorker.Phase) -> Int {
    switch phase {
    case .starting: 0
    case .serving: 1
    case .closing: 2
    case .terminating: 3
    case .killed: 4
    }
  }

  /// The stored properties that the fingerprint knows of. One more, and it would take different states for the same.
  static var isFingerprintComplete: Bool {
    func names(_ value: Any) -> [String] { Mirror(reflecting: value).children.compactMap(\.label) }
    let machine = [
      "rules", "life", "hasFailed", "calls", "queue", "workers", "nextWorker", "leases", "forkServer", "deaths",
      "failedStarts", "isBackingOff", "isIdleTimed", "isShutdownTimed",
    ]
    let worker = [
      "id", "phase", "hasProcess", "isReady", "isStopped", "isMute", "isRetiring", "isRested", "isAtFault", "callsDone",
      "work",
      "lease", "inbox", "isStartTimed", "isStopTimed", "isMuteTimed", "ladder",
    ]
    let id = WorkerID(rawValue: 0)
    let call = CallID(rawValue: 0)
    return names(PoolStateMachine(rules: PoolRules())) == machine && names(PoolWorker(id: id)) == worker
      && names(PoolWork(call: call)) == ["call", "isAnswered", "isCancelling", "isTimed", "added"]
      && names(PoolCall(request: CallRequest())) == ["request", "isHold", "attempts", "losses", "worker"]
      && names(PoolLease(id: call, worker: id)) == ["id", "worker", "isLost", "queue"]
  }
}
