import Distributed
import Interprocess
import Synchronization
import SystemPackage

/// Worker processes that may crash, and the calls that are made in them.
///
/// ```swift
/// try await withWorkerPool(of: Parser.self, count: 4) { pool in
///   let one = try await pool.run { try await $0.parse(text) }
///   let all = try await pool.map(texts) { try await $0.parse($1) }
/// }
/// ```
///
/// A call goes to the next free worker, and a worker has one call at a time. A worker that dies, however it does, costs
/// the call that it ran, which throws ``WorkerCrash``; another worker stands there within milliseconds. When this process
/// ends, however it does, its workers end with it. Programs that a worker has started end with it too, unless they have
/// left its process group, or its fork server had died before.
///
/// Workers are processes, with what belongs to processes. They have the user and the privileges that this one had when the
/// pool was made, so give up privileges before. A service manager that signals all processes of a service, as systemd does
/// unless told `KillMode=mixed`, ends workers in the middle of calls that a drain would have waited for.
public final class WorkerPool<Worker: WorkerActor>: Sendable {
  /// How it was made.
  public let configuration: WorkerPoolConfiguration

  let core: PoolCore?
  private let system: WorkerSystem
  /// Where calls run in this process.
  private let inline: Worker?
  /// Stands for the next free worker.
  private let nextFree: Worker?
  private let isInlineClosed = Atomic(false)

  /// Makes a pool, and starts its workers. It lives until ``shutDown(_:)``, or until nobody has it any more.
  ///
  /// - Throws: `InterprocessError` when the type has no name that another process knows it by, or the mechanism goes one
  ///   way; what making shared memory throws. That no worker can be started is no error here: calls throw ``PoolFailed``.
  public init(of _: Worker.Type = Worker.self, configuration: WorkerPoolConfiguration = .init()) throws {
    self.configuration = configuration
    if configuration.isInline {
      core = nil
      system = WorkerSystem(caller: nil)
      try Worker.workerDidStart()
      inline = Worker(actorSystem: system)
      nextFree = nil
      return
    }
    let name = try TypeNames.name(of: Worker.self).mangled
    let core = try PoolCore(configuration, actorName: name)
    self.core = core
    system = WorkerSystem(caller: core)
    inline = nil
    nextFree = try Worker.resolve(id: WorkerSystem.ActorID(target: .any), using: system)
    core.open()
  }

  deinit { core?.feed(.shutdown(.cancel)) }

  /// The actor that stands for a target.
  private func proxy(_ target: WorkerSystem.ActorID.Target) throws -> Worker {
    if let inline {
      try checkInline()
      return inline
    }
    if target == .any, let nextFree { return nextFree }
    return try Worker.resolve(id: WorkerSystem.ActorID(target: target), using: system)
  }

  /// What runs in this process takes no calls after its shutdown either.
  func checkInline() throws {
    if isInlineClosed.load(ordering: .relaxed) { throw PoolClosed() }
  }

  /// Makes calls: each goes to the next free worker.
  ///
  /// - Parameters:
  ///   - options: of the calls that `body` makes.
  ///   - body: calls functions of the actor that it is given.
  /// - Throws: what `body` throws; of the calls, what their code throws where that is `Codable`, else ``RemoteError``;
  ///   ``WorkerCallError`` where a call or its result is too large or is not understood; `EncodingError`, `DecodingError`;
  ///   ``WorkerCrash``; ``CallDeadlineExceeded``; ``PoolQueueFull``, ``PoolClosed``, ``PoolFailed``;
  ///   `CancellationError`, after the call has had the grace period to end.
  nonisolated(nonsending) public func run<Result>(
    options: CallOptions = .init(), _ body: nonisolated(nonsending) (Worker) async throws -> Result
  ) async throws -> Result {
    try await options.apply { try await body(try proxy(.any)) }
  }

  /// Holds one worker, with its state, for the calls of `body` alone.
  ///
  /// Calls of the pool's other workers, and holding another one, wait for a worker that is free: within `body` that may be
  /// for ever, when all are held by those who wait.
  ///
  /// - Throws: as ``run(options:_:)`` does; once the worker has died every further call throws ``WorkerLost``.
  nonisolated(nonsending) public func withWorker<Result>(
    options: CallOptions = .init(), _ body: nonisolated(nonsending) (Worker) async throws -> Result
  ) async throws -> Result {
    guard let core else { return try await run(options: options, body) }
    let lease = try await core.hold(options)
    defer { core.feed(.release(lease)) }
    return try await options.apply { try await body(try proxy(.held(lease.rawValue))) }
  }

  /// How a pool is shut down.
  public enum Shutdown: Hashable, Sendable {
    /// Calls that were made are answered, for so long; what is left then is cancelled. `nil` waits for as long as they
    /// take, for ever where one never ends.
    case drain(within: Duration? = .seconds(30))
    /// Calls that wait are refused, and those that run are cancelled.
    case cancel
  }

  /// Shuts the pool down: every call is answered, and when this returns no process of it is left, but one that not even
  /// SIGKILL has ended (it waits for a file system that does not answer).
  ///
  /// Cancelling the task makes a drain a ``Shutdown/cancel``.
  public func shutDown(_ shutdown: Shutdown = .drain()) async {
    guard let core else { return isInlineClosed.store(true, ordering: .relaxed) }
    switch shutdown {
    case .drain(let limit): core.feed(.shutdown(.drain(within: limit)))
    case .cancel: core.feed(.shutdown(.cancel))
    }
    await withTaskCancellationHandler {
      await core.ended()
    } onCancel: {
      core.feed(.shutdown(.cancel))
    }
  }
}

/// Makes a pool for as long as `body` runs: when this returns or throws, nothing of the pool is left.
///
/// - Parameters:
///   - worker: the actor whose calls run in the workers.
///   - count: how many workers there are; unless given, what `configuration` says.
/// - Throws: what `body` throws, and what making the pool throws. Calls that run when `body` throws are cancelled; those that
///   run when it returns have 30 seconds to end, or until the task is cancelled.
nonisolated(nonsending) public func withWorkerPool<Worker: WorkerActor, Result>(
  of worker: Worker.Type, count: Int? = nil, configuration: WorkerPoolConfiguration = .init(),
  _ body: nonisolated(nonsending) (WorkerPool<Worker>) async throws -> Result
) async throws -> Result {
  var configuration = configuration
  if let count { configuration.count = max(1, count) }
  let pool = try WorkerPool(of: worker, configuration: configuration)
  do {
    let result = try await body(pool)
    await pool.shutDown()
    return result
  } catch {
    await pool.shutDown(.cancel)
    throw error
  }
}

/// Makes a pool for ``WorkerFunction``s, which need no actor, for as long as `body` runs.
nonisolated(nonsending) public func withWorkerPool<Result>(
  count: Int? = nil, configuration: WorkerPoolConfiguration = .init(),
  _ body: nonisolated(nonsending) (WorkerPool<FunctionWorker>) async throws -> Result
) async throws -> Result {
  try await withWorkerPool(of: FunctionWorker.self, count: count, configuration: configuration, body)
}
