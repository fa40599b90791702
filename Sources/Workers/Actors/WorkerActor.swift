public import Distributed

/// A distributed actor whose calls run in worker processes.
///
/// ```swift
/// distributed actor Parser: WorkerActor {
///   private var cache: [String: Int] = [:]
///   distributed func parse(_ text: String) throws -> Int { ... }
/// }
/// ```
///
/// Each worker process has one of its own, made by `init(actorSystem:)`, which Swift writes where all properties have
/// values (a public actor declares it itself). Its type may be neither private nor local to a function, since it is found
/// by its name in the other process. `main` does not run there: globals of main.swift are not initialised, and what a
/// program sets up once belongs into ``workerDidStart()``.
public protocol WorkerActor: DistributedActor where ActorSystem == WorkerSystem {
  /// Makes the actor of a worker process.
  init(actorSystem: WorkerSystem)

  /// Called once in each worker process, before its actor is made: for what `main` sets up elsewhere, logging for
  /// example. An error ends the worker, and counts as a failed start.
  static func workerDidStart() throws
}

extension WorkerActor {
  public static func workerDidStart() {}
}

/// What a distributed actor belongs to that does not say: one that is a ``WorkerActor`` need not name its system.
public typealias DefaultDistributedActorSystem = WorkerSystem

/// The actor of a pool that has none of its own: for ``WorkerFunction``s alone.
public distributed actor FunctionWorker: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }
}
