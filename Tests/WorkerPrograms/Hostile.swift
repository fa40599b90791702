import Distributed
import Glibc
public import Workers

/// A worker that turns against its pool when it is told to.
public distributed actor Hostile: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func double(_ number: Int) -> Int { 2 * number }
  public distributed func process() -> Int32 { getpid() }

  // Calls with results of all kinds.
  public distributed func claim(_ claim: Claim) -> Int { claim.happen() }
  public distributed func numbers(_ claim: Claim) -> [Int] { claim.happen() }
  public distributed func texts(_ claim: Claim) -> [String] { claim.happen() }
  public distributed func text(_ claim: Claim) -> String { claim.happen() }
  public distributed func bytes(_ claim: Claim) -> [UInt8] { claim.happen() }

  /// Does it, and then goes on as if nothing had been, or ends.
  public distributed func attack(_ how: [Hostility], seed: UInt64, thenEnds: Bool) -> Int {
    guard let context = WorkerContext.current else { return 0 }
    var random = SeededGenerator(seed: seed)
    for hostility in how { hostility.happen(context, &random) }
    if thenEnds { _exit(0) }
    return 1
  }
}
