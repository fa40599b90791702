import CInterprocess
import Glibc
import Synchronization

/// How long a side spins before it sleeps: for as long as has paid off lately, 50 us at most, and not at all while the
/// other side runs on the same processor, which it would keep from doing what is waited for.
struct RingSpin {
  /// What sleeping and being woken costs across two processors, where idle ones halt.
  private static let longest: Int64 = 50_000
  private static let shortest: Int64 = 1_000
  /// Who was woken so soon would rather have spun.
  private static let soon: Int64 = 4 * longest

  static let looksAtOnce = 16

  private var budget = longest

  /// Whether spinning makes sense now.
  func begins(own: RingSide, peer: RingSide) -> Bool {
    !own.sharesProcessor(with: peer) && budget > 0
  }

  func goesOn(since start: Int64) -> Bool { MonotonicTime.now - start < budget }

  mutating func paidOff() { budget = min(Self.longest, budget + budget / 4 + Self.shortest) }

  /// After a wait in vain and a sleep.
  mutating func slept(since start: Int64) {
    if MonotonicTime.now - start < Self.soon {
      budget = min(Self.longest, 2 * budget + Self.shortest)
    } else {
      budget = budget / 2 < Self.shortest ? 0 : budget / 2
    }
  }
}

extension RingSide {
  /// Whether the other side runs on this side's processor, as far as is known.
  func sharesProcessor(with peer: RingSide) -> Bool {
    let processor = tellProcessor()
    return peer.processor.pointee.load(ordering: .relaxed) == processor
  }

  /// Says on which processor this side runs, when it waits or wakes the other.
  @discardableResult
  func tellProcessor() -> UInt32 {
    let processor = UInt32(truncatingIfNeeded: ci_current_processor() &+ 1)
    // Relaxed, here and where it is read: a hint, which may be old. To write the same again would cost the other side a
    // cache miss.
    if self.processor.pointee.load(ordering: .relaxed) != processor {
      self.processor.pointee.store(processor, ordering: .relaxed)
    }
    return processor
  }
}

/// How long a side sleeps at most before it looks at the memory again, where a wake-up is not certain.
package enum RingNap {
  /// The first nap beside a peer that seems to run on the same processor, for which no barrier is asked: that the peer has
  /// not moved to another just then is not certain. A timer that comes before the kernel's next tick costs as much as the
  /// barrier would. `nil` has the barrier each time, for tests that hunt for lost wake-ups; set before any ring is used.
  nonisolated(unsafe) package static var firstOnOneProcessor: Duration? = .milliseconds(20)
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
package enum MonotonicTime {
  package static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

extension Deadline {
  /// Sleeps on a futex for as long as it is `value`, not beyond the deadline, and for so long at most. Without either the
  /// kernel sets no timer, which is a tenth of what a wait and its wake-up cost.
  func sleep(on word: UnsafeMutablePointer<Atomic<UInt32>>, while value: UInt32, atMost longest: Duration?) {
    // Whatever it returns means "look again".
    (longest == nil ? self : earlier(of: Deadline(longest))).withRemaining { _ = ci_futex_wait(word, value, $0) }
  }
}
