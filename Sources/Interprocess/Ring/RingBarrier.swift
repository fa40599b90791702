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
  /// - Returns: whether the other side is certain to be seen, or to see: without, look again soon.
  static func heavy(isAsymmetric: Bool) -> Bool {
    // This side's own store and look; membarrier's are the other's.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return isAsymmetric ? ci_membarrier() == 0 : true
  }
}
