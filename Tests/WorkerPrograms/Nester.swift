import Distributed
import Glibc
public import Workers

/// Has a pool of its own in its worker, whose worker has one, and so on.
public distributed actor Nester: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  /// - Returns: the processes, the innermost first.
  public distributed func nest(_ levels: Int) async throws -> [Int32] {
    if levels == 0 { return [getpid()] }
    return try await withWorkerPool(of: Nester.self, count: 1) { pool in
      try await pool.run { try await $0.nest(levels - 1) } + [getpid()]
    }
  }
}
