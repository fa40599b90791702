import CInterprocess
import CWorkers
import Glibc
package import Interprocess
import Synchronization
package import SystemPackage

/// A process of this program's own, started again, that starts worker processes in about a millisecond each.
///
/// When it ends unasked, running workers go on, ``start(_:onEnd:)``'s `onEnd` is called at once, and another can be
/// started. When this process ends, however it does, all workers and the fork server are killed.
///
/// Callbacks are called on a thread of the fork server's own in this process, one after another, and must not block.
/// In this process a fork server costs three descriptors, and each worker one, and one more for each output collected.
package final class ForkServer: Sendable {
  package struct Configuration: Sendable {
    /// Whether a worker that crashes prints a backtrace, which delays its end by 130 ms.
    package var backtraces = false

    /// How many pools may be nested: a worker at this depth may have none.
    package var deepest = 8

    package init() {}
  }

  private let link: ForkServerLink

  /// Starts a fork server. Workers can be started at once; they wait for it.
  ///
  /// The corresponding C function is `posix_spawn`.
  ///
  /// - Parameter onEnd: called once, when the fork server has ended, with how it did unless somebody else reaped it.
  /// - Throws: `Errno.notSupported` where this program's copies cannot become workers; `Errno.tooManyLevels` past
  ///   ``Configuration/deepest``; `Errno.tooManyOpenFiles`; what `posix_spawn` says.
  package static func start(
    _ configuration: Configuration = Configuration(), onEnd: @escaping @Sendable (ProcessEnding?) -> Void = { _ in }
  ) throws(InterprocessError) -> ForkServer {
    let depth = Int(cw_depth())
    guard depth < configuration.deepest else {
      throw InterprocessError(
        call: "ForkServer.start", errno: Errno(rawValue: ELOOP),
        remedy: "this is a worker already, at depth \(depth); a pool in it would be too deep")
    }
    let setting = getenv("SWIFT_BACKTRACE").map { String(cString: $0) }
    let commission = Commission(
      role: .forkServer, backtraceSetting: setting, wantsBacktraces: configuration.backtraces, depth: depth)
    let own = OwnedDescriptor(adopting: try systemCall("pidfd_open", nil) { ci_pidfd_open(getpid(), 0) })
    let bell = try EventCounter()
    let spawned = try spawnSelf(commission, passing: [own.rawValue])
    let handle: ProcessHandle
    do {
      handle = try ProcessHandle(of: spawned.process)
    } catch {
      // It reads the end of its socket and ends; nobody has a handle to wait for it by.
      kill(spawned.process, SIGKILL)
      waitpid(spawned.process, nil, 0)
      throw error
    }
    let link = ForkServerLink(
      process: spawned.process, handle: handle, control: spawned.control, bell: bell, onEnd: onEnd)
    do {
      try link.startThread()
    } catch {
      link.abandon()
      throw error
    }
    return ForkServer(link)
  }

  private init(_ link: ForkServerLink) { self.link = link }

  deinit { link.end() }

  /// The fork server's process id.
  package var processID: CInt { link.process }

  /// Whether it has ended, or is about to because it was asked to: another is needed for more workers.
  package var hasEnded: Bool { link.hasEnded }

  /// Kills all workers, and ends the fork server. Their endings are told as any are.
  package func end() { link.end() }

  /// Kills the fork server alone. Its workers run on, as long as nobody lets go of this or calls ``end()``.
  package func killItself() { link.killServer() }

  /// Whether the fork server and all its workers have ended, and that was told.
  package var isOver: Bool { link.state.withLock { $0.isDone } }

  /// Waits until the fork server and all its workers have ended.
  ///
  /// - Throws: `Errno.timedOut`.
  package func waitForEnd(timeout: Duration? = nil) throws(InterprocessError) {
    try link.waitForEnd(timeout: timeout)
  }

  /// Starts a worker process. It never blocks: that it runs is told by ``WorkerProcessEvent/started(processID:)``, that
  /// it could not be started by ``WorkerProcessEnding/notStarted(_:)``.
  ///
  /// It starts in the directory that this process is in.
  ///
  /// - Parameters:
  ///   - program: what it runs.
  ///   - setup: bytes for the program.
  ///   - descriptors: for the program, in this order; this process keeps its own.
  ///   - queues: queues of System V that are removed when this process is killed.
  /// - Throws: `Errno.invalidArgument` when the program's type cannot be found by its name, or for more than 240
  ///   descriptors; `Errno.tooManyOpenFiles`; `Errno.noChildProcess` when the fork server has ended.
  package func startWorker(
    _ configuration: WorkerProcessConfiguration = WorkerProcessConfiguration(), program: any WorkerProgram.Type,
    setup: [UInt8] = [], descriptors: [FileDescriptor] = [], queues: [CInt] = [],
    onEvent: @escaping @Sendable (WorkerProcessEvent) -> Void
  ) throws(InterprocessError) -> WorkerProcess {
    guard descriptors.count <= 240 else {
      throw InterprocessError(
        call: "startWorker", errno: .invalidArgument, remedy: "a worker gets at most 240 descriptors")
    }
    let name = try TypeNames.name(of: program).mangled
    let output = try CollectedOutput.make(for: configuration.standardOutput)
    let errors = try CollectedOutput.make(for: configuration.standardError)
    let directory = OwnedDescriptor(adopting: cw_open_here())
    let request = StartRequest(
      id: link.nextID(), program: name, setup: setup, limits: configuration.limits, niceness: configuration.niceness,
      environment: configuration.environment, output: configuration.standardOutput.destination,
      errors: configuration.standardError.destination, bringsDirectory: !directory.isClosed, queues: queues)
    let own = [directory.rawValue, output.writer.rawValue, errors.writer.rawValue].filter { $0 >= 0 }
    let worker = WorkerProcess(
      id: request.id, output: output.collector, errors: errors.collector, queues: queues, onEvent: onEvent)
    try link.start(worker, request, own + descriptors.map(\.rawValue))
    return worker
  }

  /// Takes care of a worker whose own fork server has ended: when this process ends, it is killed, be it stopped.
  package func adopt(_ worker: WorkerProcess) throws(InterprocessError) {
    // A copy: the worker may end meanwhile, and its number be another's. Where this process can have none, that is less likely
    // than that the worker outlives it.
    if let handle = try? worker.copyHandle() {
      try link.send(.adopt(queues: worker.queues), [handle.rawValue])
    } else if let number = worker.handleNumber {
      try link.send(.adopt(queues: worker.queues), [number])
    }
  }
}

extension WorkerOutput {
  fileprivate var destination: StartRequest.Destination {
    switch self {
    case .inherit: .inherit
    case .drop: .drop
    case .collect: .descriptor
    }
  }
}
