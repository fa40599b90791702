public import Distributed
import Interprocess
import Synchronization

/// The actor system that carries calls from a pool to its workers.
///
/// A program does not make one: pools do, and workers.
public final class WorkerSystem: DistributedActorSystem, Sendable {
  public typealias SerializationRequirement = any Codable
  public typealias InvocationEncoder = WorkerInvocationEncoder
  public typealias InvocationDecoder = WorkerInvocationDecoder
  public typealias ResultHandler = WorkerResultHandler

  /// Which worker of a pool an actor stands for.
  public struct ActorID: Hashable, Sendable, Codable {
    enum Target: Hashable, Sendable, Codable {
      /// The next free one.
      case any
      /// The one that is held.
      case held(Int)
      /// The actor in this process.
      case local
    }

    let target: Target
  }

  /// Makes calls, in the process that has the pool.
  let caller: (any WorkerCaller)?

  init(caller: (any WorkerCaller)?) { self.caller = caller }

  public func resolve<Act: DistributedActor>(id: ActorID, as actorType: Act.Type) throws -> Act?
  where Act.ID == ActorID {
    if id.target == .local { throw WorkerCallError("an actor of a worker cannot be resolved by its id") }
    return nil
  }

  public func assignID<Act: DistributedActor>(_ actorType: Act.Type) -> ActorID where Act.ID == ActorID {
    ActorID(target: .local)
  }

  public func actorReady<Act: DistributedActor>(_ actor: Act) where Act.ID == ActorID {}
  public func resignID(_ id: ActorID) {}
  public func makeInvocationEncoder() -> WorkerInvocationEncoder {
    WorkerInvocationEncoder()
  }

  public func remoteCall<Act: DistributedActor, Err: Error, Res: Codable>(
    on actor: Act, target: RemoteCallTarget, invocation: inout InvocationEncoder, throwing: Err.Type,
    returning: Res.Type
  ) async throws -> Res where Act.ID == ActorID {
    let reply = try await call(actor.id, target, &invocation)
    return try reply.value(Res.self)
  }

  public func remoteCallVoid<Act: DistributedActor, Err: Error>(
    on actor: Act, target: RemoteCallTarget, invocation: inout InvocationEncoder, throwing: Err.Type
  ) async throws where Act.ID == ActorID {
    _ = try await call(actor.id, target, &invocation)
  }

  private nonisolated(nonsending) func call(
    _ id: ActorID, _ target: RemoteCallTarget, _ invocation: inout WorkerInvocationEncoder
  ) async throws -> CallReply {
    guard let caller else { throw WorkerCallError("this actor is not in a pool: calls go to those that a pool gives") }
    return try await CallTrace.withCallerSpan(target.identifier) {
      try await caller.call(id.target, name: target.identifier, invocation.takeFrame(target.identifier))
    }
  }
}

/// Makes a call in some worker.
protocol WorkerCaller: AnyObject, Sendable {
  /// - Parameter frame: the call, with an id that is still to be written.
  /// - Throws: what the call threw, or why it was not answered.
  nonisolated(nonsending) func call(
    _ target: WorkerSystem.ActorID.Target, name: String, _ frame: consuming CallFrame
  ) async throws -> CallReply
}
