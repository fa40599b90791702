import CInterprocess
import CWorkers
import Distributed
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A worker at work: a thread that reads its channel and runs its calls, and the socket by which they are cancelled.
final class WorkerSession: Sendable {
  let channel: Channel
  private let control: WorkerControl
  let memory: MemorySocket
  let arena: WorkerArena
  let results: ResultMemory
  private let journal: WorkerJournal
  let slot: StatusPage.Slot
  let marks: WorkerJournal.Marks
  let setup: WorkerSetup
  private let loop = LoopExecutor()
  let current: CurrentCall

  static func make(_ worker: inout WorkerStart) throws -> WorkerSession {
    let setup = try WorkerSetup(decoding: worker.setup)
    guard let memory = worker.takeDescriptor(), let journal = worker.takeDescriptor(),
      let control = worker.takeDescriptor(), let blocks = worker.takeDescriptor()
    else { throw FrameReader.Malformed() }
    var descriptors: [CInt] = []
    while let descriptor = worker.takeDescriptor() { descriptors.append(descriptor.release().rawValue) }
    let end = try ChannelEndpoint(description: setup.channel, adopting: descriptors)
    return try WorkerSession(
      channel: try Channel(end, .init(maximumMessageSize: setup.maximumMessageSize)),
      control: WorkerControl(UnixSocket(adopting: control)), memory: MemorySocket(UnixSocket(adopting: blocks)),
      slot: try StatusPage.Slot(setup.slot, of: memory),
      journal: WorkerJournal(try AnonymousMemory(adopting: journal).takeMapping()), setup)
  }

  private init(
    channel: Channel, control: WorkerControl, memory: MemorySocket, slot: StatusPage.Slot,
    journal: consuming WorkerJournal,
    _ setup: WorkerSetup
  ) throws {
    self.channel = channel
    current = CurrentCall { try channel.send($0) }
    self.slot = slot
    marks = journal.marks
    self.control = control
    self.memory = memory
    arena = WorkerArena { memory.await(until: $0) }
    memory.arena = arena
    results = ResultMemory(limit: setup.maximumMessageSize, memory)
    self.journal = journal
    self.setup = setup
  }

  func start() throws {
    try control.watch {
      self.cancel($0)
    } onDrop: { block in
      // It may not have been needed, and so not been taken.
      self.memory.take()
      self.arena.drop(block)
    }
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
      guard let type = WorkerMain.actor(named: setup.actor) else {
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
    slot.set(.process, UInt64(getpid()))
    slot.set(.state, StatusPage.State.idle.rawValue)
    try channel.send(Frame.begin(.ready, 0))
    let server = CallServer(self, actor, system)
    while try serveInTask(server) {}
  }

  /// Serves calls in one task, on this thread, until one is cancelled: a task that was cancelled stays so.
  ///
  /// - Returns: whether there may be more calls.
  private func serveInTask(_ server: CallServer) throws -> Bool {
    let end = ServingEnd()
    let task = Task(executorPreference: loop) { [loop] in
      do {
        end.set(isOver: try await server.serve())
      } catch {
        end.set(isOver: true, error)
      }
      loop.wake()
    }
    current.serve(in: task)
    loop.run { end.isSet }
    return try !end.get()
  }

  /// Names on the status page what is called.
  func name(_ call: String) { slot.setName(call) }

  /// The next call; blocks the thread.
  func nextFrame() throws -> [UInt8]? {
    while let rest = memoryRest() {
      do {
        return try channel.receive(timeout: rest)
      } catch let error where error.isTimeout {
        continue
      }
    }
    return try channel.receive()
  }

  /// How long memory may be kept without a use; `nil` where none is. What is past that goes.
  private func memoryRest() -> Duration? {
    let recent = memory.recent.rest()
    guard let rest = results.rest() else { return recent }
    return recent.map { min($0, rest) } ?? rest
  }

  /// Ends the process: nobody is left to be told.
  func leave(_ error: (any Error)? = nil) -> Never {
    // Not by `exit` where the parent is dead: the watching thread, which has queues to remove, would not survive that. Of
    // a process that dies, the channel's end is seen a moment before the process's.
    cw_leave_with_parent((error as? ChannelError)?.code == .peerDied ? 50 : 0)
    exit(0)
  }

  /// On the watching thread, whatever the call does: its task is cancelled.
  private func cancel(_ call: UInt64) {
    guard let task = current.cancel(call) else { return }
    // What the call's code does about it may take its time, or wait for the call; the watching thread has to go on.
    let argument = Unmanaged.passRetained(Cancellation(task))
    let failure = ci_start_thread(
      { argument in
        if let argument { Unmanaged<Cancellation>.fromOpaque(argument).takeRetainedValue().task.cancel() }
        return nil
      }, argument.toOpaque())
    if failure != 0 { argument.takeRetainedValue().task.cancel() }
  }

  private final class Cancellation: Sendable {
    let task: Task<Void, Never>
    init(_ task: Task<Void, Never>) { self.task = task }
  }
}

/// What a task that serves calls came to, whether calls are over: set by it, looked at by the thread that runs it.
private final class ServingEnd: Sendable {
  // Not a `Result`, whose type each worker would have to make.
  private struct Outcome {
    var isOver = false
    var error: (any Error)?
  }

  private let isThere = Atomic(false)
  private let outcome = Mutex(Outcome())

  func set(isOver: Bool, _ error: (any Error)? = nil) {
    outcome.withLock { $0 = Outcome(isOver: isOver, error: error) }
    // Releasing and acquiring: what the task wrote is seen by whoever sees the flag.
    isThere.store(true, ordering: .releasing)
  }

  var isSet: Bool { isThere.load(ordering: .acquiring) }

  func get() throws -> Bool {
    let outcome = outcome.withLock { $0 }
    if let error = outcome.error { throw error }
    return outcome.isOver
  }
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
