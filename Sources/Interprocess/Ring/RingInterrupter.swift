import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Tells one side of a ring from any thread what its memory does not: that the other side has died, or that it shall not
/// wait any more. It wakes the side at once if it waits.
///
/// Whoever watches the other process calls it: a thread that waits for its pidfd, the event loop that sees its death
/// pipe end, or the task that ``watch(_:)`` starts.
public final class RingInterrupter: @unchecked Sendable {
  // Sendable: everything is immutable but atomics, and the side's words in shared memory, which are atomics too.

  /// Keeps the memory mapped.
  private let place: RingPlace
  private let side: RingSide
  private let bell: RingBell?
  /// The other side's, where that is not the other end of this side's.
  private let peerBell: RingBell?
  /// -1 without a bell.
  let bellDescriptor: FileDescriptor
  private let reasons = Atomic<UInt32>(0)
  /// Whether the side sleeps on its futex, or is about to. Not in the memory that others write to.
  private let isAsleep = Atomic(false)

  private static let peerDied: UInt32 = 1
  private static let cancelled: UInt32 = 2

  init(_ place: RingPlace, _ side: RingSide, bell: consuming RingBell?, peerBell: consuming RingBell?) {
    self.place = place
    self.side = side
    bellDescriptor = Self.descriptor(of: bell)
    self.bell = bell
    self.peerBell = peerBell
  }

  private static func descriptor(of bell: borrowing RingBell?) -> FileDescriptor {
    switch bell {
    case .some(let bell): bell.descriptor
    case .none: FileDescriptor(rawValue: -1)
    }
  }

  /// Fulfils the other side's request to be woken.
  @inline(never)
  func wake(_ peer: RingSide, from own: RingSide) {
    reach(.beforeWake)
    // Whoever takes the request fulfils it. Acquiring and releasing: what was published before is seen by who is woken.
    let request = peer.waiting.pointee.exchange(0, ordering: .acquiringAndReleasing)
    // Before the wake-up: where the two share a processor, the other side runs next.
    own.tellProcessor()
    reach(.beforeSystemCall)
    if request & RingSide.asleep != 0 { _ = ci_futex_wake(peer.waiting, 1) }
    if request & RingSide.armed != 0 {
      peerBell?.ring()
      bell?.ringOtherEnd()
    }
  }

  func silenceBell() {
    // Without it nobody wakes this side any more.
    if bell?.silence() == true, !isRaised { reasons.bitwiseOr(Self.peerDied, ordering: .acquiringAndReleasing) }
  }

  /// The other side's process has ended. The consumer still gets every message that was sent, and then an error with
  /// `Errno.connectionReset`, unless the producer had closed the ring; the producer gets the error at once.
  ///
  /// Returns when the side, if it slept, has been awake: mostly in some microseconds, after a tenth of a second at the latest.
  public func peerDied() { interrupt(Self.peerDied) }

  /// From now on whatever would wait throws `Errno.canceled` instead; what need not wait goes on. Returns as ``peerDied()``
  /// does.
  public func cancel() { interrupt(Self.cancelled) }

  /// Calls ``peerDied()`` as soon as a process has ended, from a task that waits for it.
  ///
  /// In a forked child that runs no tasks, wait for the process on a thread instead.
  ///
  /// - Returns: the task, to cancel when the process is of no interest any more.
  /// - Throws: `Errno.tooManyOpenFiles`: the task holds a descriptor of its own.
  @discardableResult
  public func watch(_ peer: borrowing ProcessHandle) throws(InterprocessError) -> Task<Void, Never> {
    let number = peer.descriptor.rawValue
    let copy = try systemCall("fcntl", "pidfd \(number)") { fcntl(number, F_DUPFD_CLOEXEC, 0) }
    return Task { [weak self] in
      let peer = ProcessHandle(adopting: OwnedDescriptor(adopting: copy))
      // Cancelled, or there is no epoll to be had: then nothing is known of the process.
      if (try? await peer.wait()) != nil { self?.peerDied() }
    }
  }

  private func interrupt(_ reason: UInt32) {
    // Pairs with the acquiring loads below: what was known before is seen by the side that is interrupted.
    reasons.bitwiseOr(reason, ordering: .acquiringAndReleasing)
    // Pairs with the fence between the side's setting of `waiting` and its last look (RingBarrier.heavy): either that
    // look sees the reason, or this exchange comes after `waiting` was set and spoils the wait.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    bell?.ringHere()
    for round in 0..<Self.mostWakes {
      _ = side.waiting.pointee.exchange(0, ordering: .acquiringAndReleasing)
      // Whatever the word was: the other side may have died between exchanging it and the system call.
      _ = ci_futex_wake(side.waiting, .max)
      // A hostile peer can restore the word before this side goes to sleep by it, and there is no timer to end that: so
      // again, until this side has been awake. Pairs with the store in sleeps(_:).
      if !isAsleep.load(ordering: .acquiring) { return }
      if round < Self.wakesAtOnce { sched_yield() } else { usleep(Self.betweenWakes) }
    }
  }

  private static let wakesAtOnce = 4
  private static let betweenWakes: UInt32 = 50
  /// A tenth of a second: the side may be what a signal's handler has interrupted that calls this, and then waits for it.
  private static let mostWakes = 1000

  /// Calls `body`, in which this side says that it waits, looks once more and sleeps. What interrupts it comes to an end when
  /// `body` does.
  @inline(__always)
  func sleeps(_ body: () -> Void) {
    // Relaxed: the fence in RingBarrier.heavy() comes before the last look, as the one in interrupt(_:) before its own.
    isAsleep.store(true, ordering: .relaxed)
    body()
    isAsleep.store(false, ordering: .releasing)
  }

  // Acquiring: pairs with the or in interrupt(_:). What was published before a death is seen once the death is.
  @inline(__always)
  var isRaised: Bool { reasons.load(ordering: .acquiring) != 0 }
  var isPeerDead: Bool { reasons.load(ordering: .acquiring) & Self.peerDied != 0 }
  var isCancelled: Bool { reasons.load(ordering: .acquiring) & Self.cancelled != 0 }
}
