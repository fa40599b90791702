@testable import Workers

/// What holds in every state.
extension World {
  func checkState() throws(Violation) {
    try require(machine.calls.count == calls.count, "a call is lost, or answered and kept")
    for call in calls { try require(machine.calls[call.id] != nil, "\(call.id) is lost") }
    let serving = processes.count { !$0.isLeaving && ($0.call != nil || $0.lease != nil) }
    try require(serving <= machine.rules.maximum, "more than the maximum serve")
    for timer in timers { try checkTimer(timer) }
    if !hasEnded { try checkWork(serving) }
    try require(!hasFailed || !calls.contains { $0.worker == nil }, "a call waits on a pool that has failed")
    if !calls.isEmpty { try require(!hasEnded && awaitsSomething, "calls wait, and nothing is to happen") }
  }

  /// A call is let in to wait only while there is room; one that comes back to be repeated always is.
  func checkQueueLimit(_ call: CallID) throws(Violation) {
    guard let limit = machine.rules.queueLimit, let index = caller(call), calls[index].worker == nil else { return }
    let serving = processes.count { !$0.isLeaving && ($0.call != nil || $0.lease != nil) }
    let room = limit + max(0, scenario.rules.maximum - serving)
    try require(calls.count { $0.worker == nil } <= room, "\(call) waits in a full queue")
  }

  /// A timer of a worker or a call that is gone would be left running.
  private func checkTimer(_ timer: PoolTimer) throws(Violation) {
    switch timer {
    case .deadline(let worker, let call), .cancellation(let worker, let call):
      guard let index = process(worker) else { throw Violation("\(timer) outlives its worker") }
      try require(processes[index].call == call, "\(timer) outlives its call")
    case .closing(let worker), .termination(let worker), .start(let worker), .stop(let worker),
      .silence(let worker):
      try require(process(worker) != nil, "\(timer) outlives its worker")
    case .forkServer, .backOff, .idle, .shutdown: break
    }
    try require(!hasEnded, "\(timer) outlives the pool")
  }

  /// Nobody waits for what is free, and nobody is free who should be gone.
  private func checkWork(_ serving: Int) throws(Violation) {
    for process in processes where process.hasProcess && process.isReady && !process.isStopped && !process.isMute {
      guard !process.isLeaving, process.call == nil else { continue }
      if serving < machine.rules.maximum || process.lease != nil {
        let waits = calls.contains { $0.worker == nil && mayRun($0, process) }
        try require(!waits, "\(process.id) is free and a call waits")
      }
      let isWaitedFor = calls.contains { $0.request.target == .worker(process.id) }
      let isOver = isCancelled || ((isShutDown || hasFailed) && !calls.contains { $0.request.target == .any })
      if process.lease == nil || isCancelled, !isWaitedFor {
        try require(!isOver && !process.isRetiring, "\(process.id) should be gone")
      }
    }
  }

  /// Something that the machine cannot miss will happen, with nobody doing anything new.
  private var awaitsSomething: Bool {
    if !timers.isEmpty || forkServer == .starting || forkServer == .killed { return true }
    return processes.contains { $0.call != nil || !$0.isReady || !$0.hasProcess || $0.isLeaving || $0.lease != nil }
  }

  /// Nothing more will happen by itself, and all is as it should be.
  func checkQuiet() throws(Violation) {
    try require(calls.isEmpty, "quiet, and calls wait")
    try require(timers.isEmpty, "quiet, and timers run")
    if isShutDown || hasFailed {
      try require(hasEnded, "quiet, and not ended")
    } else {
      let rules = machine.rules
      try require(forkServer == .ready, "quiet, without a fork server")
      try require(processes.count >= rules.minimum + rules.spares, "quiet, with too few workers")
      if rules.minimum < rules.maximum {
        try require(processes.count == rules.minimum + rules.spares, "quiet, with too many workers")
      }
    }
  }

  /// Events that cannot be true change nothing.
  func checkDeafness() throws(Violation) {
    let nobody = WorkerID(rawValue: 99)
    var events: [PoolEvent] = [
      .processStarted(nobody), .workerReady(nobody), .startFailed(nobody, at: .zero), .reply(nobody, .first),
      .protocolViolation(nobody), .channelEnded(nobody), .notBegun(nobody, .first), .stopped(nobody),
      .continued(nobody), .exited(nobody, at: .zero), .retire(nobody),
      .cancel(CallID(rawValue: 99)), .release(CallID(rawValue: 99)), .open,
    ]
    if forkServer == .absent { events += [.forkServerDied(at: .zero), .forkServerReady] }
    var late: [PoolTimer] = [.forkServer, .backOff, .idle, .shutdown]
    for process in processes {
      late += [
        .closing(process.id), .termination(process.id), .start(process.id), .stop(process.id), .silence(process.id),
      ]
      for call in 0..<scenario.script.count {
        late += [
          .deadline(process.id, CallID(rawValue: call)), .cancellation(process.id, CallID(rawValue: call)),
        ]
        let deadline = PoolTimer.deadline(process.id, CallID(rawValue: call))
        if !timers.contains(deadline) {
          events.append(.deadlineCame(process.id, CallID(rawValue: call), hasRun: .zero))
        }
      }
    }
    for timer in late where !timers.contains(timer) { events.append(.timerFired(timer)) }
    for event in events {
      var copy = machine
      let actions = copy.receive(event)
      try require(actions.isEmpty && copy == machine, "\(event) is not true, and was believed")
    }
  }
}
