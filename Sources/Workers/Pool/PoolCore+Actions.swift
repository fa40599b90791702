import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// What the machine's decisions mean.
extension PoolCore {
  /// All but a call's sending and its answer; of those, the ones whose call or worker is gone.
  func carryOut(_ action: PoolAction) {
    switch action {
    case .startForkServer: startForkServer()
    case .closeForkServer: state.withLock { $0.forkServer }?.end()
    case .killForkServer: state.withLock { $0.forkServer }?.killItself()
    case .startWorker(let id): state.withLock { $0.starts.append(id) }
    case .forget(let id): forget(id)
    case .send(let call, let worker, _):
      // The worker's end is on the way to the machine.
      if state.withLock({ $0.calls[call] }) != nil { feed(.notBegun(worker, call)) }
    case .cancelInWorker(let worker, let call): self.worker(worker)?.cancel(call)
    case .askToExit(let id): askToExit(id)
    case .terminate(let id): self.worker(id)?.signal(SIGTERM)
    case .kill(let id): killWorker(id)
    case .startTimer(let timer, let delay): timers?.start(timer, after: delay)
    case .cancelTimer(let timer): timers?.cancel(timer)
    case .answer: break
    case .fail: tell(.failed(cause: state.withLock { $0.failureCause ?? $0.lastCause }))
    case .end: end()
    }
  }

  private func startForkServer() {
    let generation = state.withLock { state in
      state.generation += 1
      return state.generation
    }
    var settings = ForkServer.Configuration()
    settings.backtraces = configuration.backtraces
    do {
      let server = try ForkServer.start(settings) { ending in self.forkServerEnded(generation, ending) }
      let workers = state.withLock { state in
        state.forkServer = server
        return state.workers.values.compactMap { worker in worker.state.withLock { $0.process } }
      }
      for worker in workers { try? server.adopt(worker) }
      feed(.forkServerReady)
    } catch {
      tell(.forkServerNotStarted(error))
      feed(.forkServerDied(at: now)) { $0.lastCause = "\(error)" }
    }
  }

  private func forkServerEnded(_ generation: Int, _ ending: ProcessEnding?) {
    let isCurrent = state.withLock { state in
      guard state.generation == generation else { return false }
      state.endedForkServers.removeAll(where: \.isOver)
      if let server = state.forkServer.take() { state.endedForkServers.append(server) }
      return true
    }
    if isCurrent {
      // At the pool's own end it was asked to.
      let isNews = state.withLock { $0.machine.life == .running || $0.machine.forkServer == .ready }
      tell(isNews ? .forkServerEnded(ending) : nil)
      feed(.forkServerDied(at: now)) { $0.lastCause = "the fork server \(ending.map { "\($0)" } ?? "ended")" }
    }
  }

  func startWorker(_ id: WorkerID) {
    defer { _ = state.withLock { $0.starting.removeValue(forKey: id) } }
    do {
      try startProcess(id)
    } catch {
      let worker = state.withLock { state in
        state.lastCause = "it could not be started: \(error)"
        return state.workers.removeValue(forKey: id)
      }
      if let worker { release(worker) }
      // One that is not wanted any more has not failed.
      if !(error is CancellationError) { tell(.startFailed(error)) }
      feed(.startFailed(id, at: now))
    }
  }

  /// Less capacity than channels have otherwise: calls are short, large arguments go through the arena, and each worker's start
  /// allocates this. A worker waits after each message or two, so that waiting is to cost little.
  private static var rings: RingForm { RingForm(capacity: 256 << 10, isAsymmetric: false) }

  private func startProcess(_ id: WorkerID) throws {
    guard let server = state.withLock({ $0.forkServer }), let slot = state.withLock({ $0.freeSlots.popLast() }) else {
      throw InterprocessError(call: "startWorker", errno: .noChildProcess, remedy: "the fork server has ended")
    }
    var isRegistered = false
    do {
      var pair = try Channel.pair(over: configuration.mechanism, rings: Self.rings)
      let theirs = try pair.takeSecond()
      var sockets = try SocketPair()
      var memory = try SocketPair()
      let journal = try WorkerJournal.create()
      let theirJournal = try journal.descriptor.copy()
      let worker = PooledWorker(
        id, slot: slot, channel: try pair.openFirst(.init(maximumMessageSize: configuration.maximumMessageSize)),
        control: UnixSocket(adopting: try sockets.first.descriptor.copy()),
        memory: UnixSocket(adopting: try memory.first.descriptor.copy()),
        journal: WorkerJournal(journal.takeMapping()))
      try sockets.first.close()
      try memory.first.close()
      let setup = WorkerSetup(
        actor: actorName, slot: slot, channel: theirs.description, maximumMessageSize: configuration.maximumMessageSize)
      status.clear(slot)
      status.set(.state, StatusPage.State.starting.rawValue, slot: slot)
      isRegistered = state.withLock { state in
        if state.starting[id] == true { return false }
        state.workers[id] = worker
        return true
      }
      guard isRegistered else { throw CancellationError() }
      let process = try server.startWorker(
        configuration.process, program: WorkerMain.self, setup: setup.encoded(),
        descriptors: [
          statusMemory.fileDescriptor, theirJournal.fileDescriptor, sockets.second.fileDescriptor,
          memory.second.fileDescriptor,
        ] + theirs.fileDescriptors,
        queues: theirs.queueIDs
      ) { event in self.processDid(event, worker) }
      worker.adopt(process)
      startReading(worker)
    } catch {
      if !isRegistered { state.withLock { $0.freeSlots.append(slot) } }
      throw error
    }
  }

  /// The fork server died before it said whether there is a process.
  private func forget(_ id: WorkerID) {
    let known = state.withLock { state -> PooledWorker? in
      state.starts.removeAll { $0 == id }
      if state.starting[id] != nil { state.starting[id] = true }
      return state.workers[id]
    }
    guard let worker = known else { return }
    // If there is one all the same, it is not to run on unknown.
    worker.signal(SIGKILL)
    release(worker)
  }

  /// Lets go of a worker that is gone.
  func release(_ worker: PooledWorker) {
    _ = state.withLock { $0.workers.removeValue(forKey: worker.id) }
    guard worker.close() else { return }
    status.set(.state, StatusPage.State.absent.rawValue, slot: worker.slot)
    state.withLock { $0.freeSlots.append(worker.slot) }
  }

  /// - Parameter toRead: takes the worker where nobody reads it.
  func send(_ call: PendingCall, to worker: PooledWorker, _ attempt: Int, _ toRead: inout UnreadWorkers) {
    let isRead = worker.state.withLock { worker in
      worker.call = call
      return worker.isRead
    }
    if !isRead, !isQuiet(worker) {
      worker.state.withLock { ($0.call, $0.isRead) = (nil, true) }
      feed(.notBegun(worker.id, call.id))
      return endReading(worker, isViolation: true)
    }
    call.noteSending(attempt, to: worker.id)
    sampleSoon()
    if call.frame.isLarge {
      // Copying takes its time, for which no other call is to wait.
      Task.detached { self.give(call, to: worker) }
    } else {
      give(call, to: worker)
    }
    if !isRead { toRead.append(worker) }
  }

  private func give(_ call: PendingCall, to worker: PooledWorker) {
    let id = call.id
    do {
      let bytes = call.frame.isLarge ? try call.frame.bytes(placing: arena) : call.frame.bytes
      guard bytes.count <= configuration.maximumMessageSize else {
        throw WorkerCallError.tooLarge("the call", bytes.count, limit: configuration.maximumMessageSize)
      }
      if call.frame.hasMemory { worker.lend(call.frame, to: id) }
      do {
        if try worker.channel.trySendAtOnce(bytes) { return }
      } catch {
        return notSent(call, to: worker)
      }
      worker.sendInTask(bytes) { self.notSent(call, to: worker) }
    } catch {
      // It did not encode, which is for its caller to know. The worker is as free as if it had answered.
      worker.state.withLock { if $0.call === call { $0.call = nil } }
      call.complete(.failure(error))
      feed(.reply(worker.id, id))
    }
  }

  private func notSent(_ call: PendingCall, to worker: PooledWorker) {
    worker.state.withLock { if $0.call === call { $0.call = nil } }
    feed(.notBegun(worker.id, call.id))
  }

  func answer(_ call: PendingCall, _ outcome: CallOutcome) {
    if call.isMeasured { observer.answered(call, isSuccess: outcome == .reply) }
    switch outcome {
    case .reply: call.completeWithReply()
    case .granted(let worker): call.complete(.granted(worker))
    case .crashed(let worker): call.complete(.failure(crash(of: worker, call)))
    case .workerLost, .leaseLost: call.complete(.failure(WorkerLost(call: call.name)))
    case .deadlineExceeded: call.complete(.failure(deadlineExceeded(call)))
    case .cancelled: call.complete(.failure(CancellationError()))
    case .queueFull: call.complete(.failure(PoolQueueFull(limit: configuration.queueLimit)))
    case .poolClosed: call.complete(.failure(PoolClosed()))
    case .poolFailed:
      call.complete(.failure(PoolFailed(cause: state.withLock { $0.failureCause ?? $0.lastCause })))
    }
  }

  private func end() {
    let (waiting, servers) = state.withLock { state in
      state.hasEnded = true
      defer {
        state.whenEnded = []
        state.forkServer = nil
        state.endedForkServers = []
      }
      return (state.whenEnded, state.endedForkServers + (state.forkServer.map { [$0] } ?? []))
    }
    for server in servers { server.end() }
    arena?.close()
    // They refer to this.
    blocks.withLock { $0 = nil }
    clock.withLock { $0 = nil }
    tell(.ended)
    for continuation in waiting { continuation.resume() }
  }

  /// Suspends until no process of the pool is left.
  func ended() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.hasEnded { state.whenEnded.append(continuation) }
        return state.hasEnded
      }
      if isOver { continuation.resume() }
    }
  }
}
