import CInterprocess
import CWorkers
import Distributed
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A worker at work: a thread that reads its channel and runs its calls, and the socket by which they are cancelled.
final class WorkerSession: Sendable {
  private let channel: Channel
  private let control: WorkerControl
  private let arena: WorkerArena
  private let status: StatusPage
  private let journal: WorkerJournal
  private let setup: WorkerSetup
  private let loop = LoopExecutor()
  private let current = WorkerContext.CurrentCall()
  private let running = Mutex(Running())
  private let functions = Mutex<[String: FoundFunction]>([:])
  /// What the status page names.
  private let named = Mutex<[UInt8]>([])

  private struct Running {
    var call: UInt64?
    var task: Task<Void, Never>?
    /// The call that was cancelled last, maybe before it came.
    var cancelled: UInt64 = 0
  }

  static func make(_ worker: inout WorkerStart) throws -> WorkerSession {
    let setup = try WorkerSetup(decoding: worker.setup)
    guard let memory = worker.takeDescriptor(), let journal = worker.takeDescriptor(),
      let control = worker.takeDescriptor()
    else { throw FrameReader.Malformed() }
    var descriptors: [CInt] = []
    while let descriptor = worker.takeDescriptor() { descriptors.append(descriptor.release().rawValue) }
    let end = try ChannelEndpoint(description: setup.channel, adopting: descriptors)
    return WorkerSession(
      channel: try Channel(end, .init(maximumMessageSize: setup.maximumMessageSize)),
      control: WorkerControl(UnixSocket(adopting: control)),
      status: StatusPage(try AnonymousMemory(adopting: memory).takeMapping()),
      journal: WorkerJournal(try AnonymousMemory(adopting: journal).takeMapping()), setup)
  }

  private init(
    channel: Channel, control: WorkerControl, status: consuming StatusPage, journal: consuming WorkerJournal,
    _ setup: WorkerSetup
  ) {
    self.channel = channel
    self.control = control
    arena = WorkerArena { control.await() }
    control.arena = arena
    self.status = status
    self.journal = journal
    self.setup = setup
  }

  func start() throws {
    control.onCancel = { self.cancel($0) }
    try WatchingThread.watch(control.fileDescriptor) { self.control.take() }
    let argument = Unmanaged.passRetained(self)
    try systemCall("pthread_create", nil) {
      ci_start_thread(
        { argument in
          if let argument { Unmanaged<WorkerSession>.fromOpaque(argument).takeRetainedValue().serve() }
          return nil
        }, argument.toOpaque())
    }
  }

  private func serve() {
    InterruptedSignals.unblockAll()
    do {
      guard let type = _typeByName(setup.actor) as? any WorkerActor.Type else {
        WorkerMain.fail("there is no actor \(setup.actor) in this program")
      }
      try type.workerDidStart()
      try serve(type)
      leave()
    } catch let error as ChannelError where error.code == .peerDied || error.code == .peerClosed {
      leave(error)
    } catch {
      cw_leave_with_parent(0)
      WorkerMain.fail("\(error)")
    }
  }

  private func serve<Worker: WorkerActor>(_: Worker.Type) throws {
    let system = WorkerSystem(caller: nil)
    let actor = Worker(actorSystem: system)
    status.set(.process, UInt64(getpid()), slot: setup.slot)
    status.set(.state, StatusPage.State.idle.rawValue, slot: setup.slot)
    try channel.send(Frame.begin(.ready, 0))
    while let frame = try channel.receive() {
      guard let (kind, call) = Frame.head(of: frame) else { exit(WorkerMain.ExitCode.protocolViolation) }
      note(frame, isFunction: kind == .function)
      switch kind {
      case .call: run(call) { await self.answer(call, frame, actor, system, $0) }
      case .function: run(call) { await self.answer(call, frame, $0) }
      case .ready, .result, .sharedResult, .error, .report, .kept: exit(WorkerMain.ExitCode.protocolViolation)
      }
    }
  }

  /// Says on the status page what is called; the same call as the last is named already.
  private func note(_ frame: [UInt8], isFunction: Bool) {
    status.set(.began, MonotonicClock.nanoseconds, slot: setup.slot)
    var reader = FrameReader(frame)
    guard let range = try? reader.part() else { return }
    let isSame = named.withLock { last in
      if last[...] == frame[range] { return true }
      last = Array(frame[range])
      return false
    }
    if isSame { return }
    let name = String(decoding: frame[range], as: UTF8.self)
    let function = isFunction ? _typeByName(name).map { "\($0)" } ?? name : RemoteCallTarget(name).description
    status.setName(function, slot: setup.slot)
  }

  /// Runs a call's task on this thread, until it has ended, and answers with what it gave.
  private func run(_ call: UInt64, _ body: @escaping @Sendable (WorkerResultHandler.Reply) async -> Void) {
    journal.begin(call)
    status.set(.call, call, slot: setup.slot)
    status.set(.state, StatusPage.State.busy.rawValue, slot: setup.slot)
    let reply = WorkerResultHandler.Reply()
    let isDone = DoneFlag()
    let context = WorkerContext(call: call, send: { [channel] in try channel.send($0) }, current: current)
    current.set(call)
    let task = Task(executorPreference: loop) { [loop] in
      await WorkerContext.$task.withValue(context) { await body(reply) }
      isDone.set()
      loop.wake()
    }
    let isCancelled = running.withLock { running in
      running.call = call
      running.task = task
      return running.cancelled == call
    }
    if isCancelled { task.cancel() }
    loop.run { isDone.isSet }
    current.set(nil)
    running.withLock { $0.task = nil }
    refuseIfTooLarge(reply, call)
    status.add(.callsDone, 1, slot: setup.slot)
    status.set(.state, StatusPage.State.idle.rawValue, slot: setup.slot)
    do {
      for block in arena.endCall() { try channel.send(Frame.begin(.kept, block)) }
      control.endCall(call)
      if let passed = reply.passed { try control.pass(passed, call: call) }
      try channel.send(reply.frame)
    } catch {
      leave(error)
    }
  }

  /// Ends the process: nobody is left to be told.
  private func leave(_ error: (any Error)? = nil) -> Never {
    // Not by `exit` where the parent is dead: the watching thread, which has queues to remove, would not survive that. Of
    // a process that dies, the channel's end is seen a moment before the process's.
    cw_leave_with_parent((error as? ChannelError)?.code == .peerDied ? 50 : 0)
    exit(0)
  }

  private func refuseIfTooLarge(_ reply: WorkerResultHandler.Reply, _ call: UInt64) {
    let count = reply.frame.count
    guard count > setup.maximumMessageSize else { return }
    reply.frame = failure(call, WorkerCallError.tooLarge("the result", count, limit: setup.maximumMessageSize))
    reply.passed = nil
  }

  private func answer<Worker: WorkerActor>(
    _ call: UInt64, _ frame: [UInt8], _ actor: Worker, _ system: WorkerSystem, _ reply: WorkerResultHandler.Reply
  ) async {
    let handler = WorkerResultHandler(call: call, reply: reply)
    do {
      var reader = FrameReader(frame)
      let target = try reader.text()
      try await CallTrace.withWorkerSpan(&reader, target) { [arena, control] reader in
        var decoder = try WorkerInvocationDecoder(target, reader, arena) {
          try control.descriptors(of: call, count: $0)
        }
        try await system.executeDistributedTarget(
          on: actor, target: RemoteCallTarget(target), invocationDecoder: &decoder, handler: handler)
      }
    } catch {
      reply.frame = failure(call, error)
    }
  }

  private func answer(_ call: UInt64, _ frame: [UInt8], _ reply: WorkerResultHandler.Reply) async {
    do {
      var reader = FrameReader(frame)
      let name = try reader.text()
      let function = try function(named: name)
      let place = FoundFunction.Place(
        call: call, arena: arena, control: control, mark: status.elementMark(slot: setup.slot))
      try await CallTrace.withWorkerSpan(&reader, name) { try await function.run($0, place, reply) }
    } catch {
      reply.frame = failure(call, error)
    }
  }

  private func function(named name: String) throws -> FoundFunction {
    try functions.withLock { functions in
      if let function = functions[name] { return function }
      guard let function = FoundFunction(named: name) else {
        throw WorkerCallError("there is no WorkerFunction \(name) in this program")
      }
      functions[name] = function
      return function
    }
  }

  /// The frame that says why a call could not be made: what did not decode, or did not encode.
  private func failure(_ call: UInt64, _ error: any Error) -> [UInt8] {
    var frame = Frame.begin(.error, call)
    WireError.append(error, to: &frame)
    return frame
  }

  /// On the watching thread, whatever the call does: its task is cancelled.
  private func cancel(_ call: UInt64) {
    // A worker has one call at a time, so the last one says it all.
    let task = running.withLock { running in
      running.cancelled = call
      return running.call == call ? running.task : nil
    }
    task?.cancel()
  }
}

private enum MonotonicClock {
  static var nanoseconds: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
  }
}

/// Set by a call's task, looked at by the thread that runs it.
private final class DoneFlag: Sendable {
  private let flag = Atomic(false)
  // Releasing and acquiring: what the task wrote is seen by whoever sees the flag.
  func set() { flag.store(true, ordering: .releasing) }
  var isSet: Bool { flag.load(ordering: .acquiring) }
}

/// Signals, on the threads of a worker.
private enum InterruptedSignals {
  /// The library's threads begin with every signal blocked; calls run on this one, and a trap or SIGTERM in them has to
  /// do what it does anywhere.
  static func unblockAll() {
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
  }
}
