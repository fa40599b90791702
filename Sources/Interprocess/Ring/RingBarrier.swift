import CInterprocess
import Synchronization

/// The barrier between writing one word and reading another, which both sides need so that no wake-up is lost: the one
/// that publishes writes its index and then looks whether the other waits; the one that waits says so and then looks at
/// the index. If both looks could come before both writes, each would miss the other.
///
/// The publishing side passes here with every message, the waiting side only before it sleeps. So the waiting side pays
/// for both: `membarrier` makes every processor that runs a registered process execute a barrier, wherever it is just
/// now. The publishing side merely keeps the compiler from swapping the two.
enum RingBarrier {
  /// Whether this process is registered; a child is by inheritance.
  static let isAvailable = ci_membarrier_register() == 0

  /// How long a side sleeps at most where the barrier is refused: a wake-up may be lost.
  static let napWithout = Duration.milliseconds(1)

  /// Between publishing and looking whether the other side waits. Pairs with ``heavy(_:)``.
  @inline(__always)
  static func light(isEnough: Bool) {
    if isEnough {
      ci_compiler_barrier()
    } else {
      // A store before a load of another word: only this keeps them apart.
      atomicMemoryFence(ordering: .sequentiallyConsistent)
    }
  }

  /// Between saying that one waits and the last look. Pairs with ``light(isEnough:)``.
  ///
  /// - Parameter isSpared: whether to do without the other side's part.
  /// - Returns: whether the other side is certain to be seen, or to see: without, look again soon.
  static func heavy(isAsymmetric: Bool, isSpared: Bool = false) -> Bool {
    // This side's own store and look; membarrier's are the other's.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return isAsymmetric ? !isSpared && ci_membarrier() == 0 : true
  }
}

/// What asking for the bell came to.
enum BellRequest {
  /// Something has changed already.
  case changed
  /// The next change rings.
  case certain
  /// It may not ring: for want of a barrier.
  case uncertain

  /// Waiting for a bell costs more than a sleep, and wake-ups are rarely lost.
  private static let nap = Duration.milliseconds(10)

  /// Until when to wait for the bell, before one looks again.
  func end(by deadline: Deadline) -> Deadline {
    self == .uncertain ? deadline.earlier(of: Deadline(Self.nap)) : deadline
  }
}

/// Waits for the bell. That it has not rung is no error where it may not: look again, and then at the time.
func waitForBell(_ request: BellRequest, by deadline: Deadline, _ wait: (Deadline) throws(InterprocessError) -> Void)
  throws(InterprocessError)
{
  do {
    try wait(request.end(by: deadline))
  } catch {
    if request != .uncertain || !error.isTimeout { throw error }
  }
}

/// The same in a task.
nonisolated(nonsending) func waitForBell(
  _ request: BellRequest, by deadline: Deadline, _ wait: nonisolated(nonsending) (Deadline) async throws -> Void
) async throws {
  do {
    try await wait(request.end(by: deadline))
  } catch let error as InterprocessError {
    if request != .uncertain || !error.isTimeout { throw error }
  }
}
