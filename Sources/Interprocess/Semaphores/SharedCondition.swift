import CInterprocess
import Synchronization
import SystemPackage

/// What processes wait for that hold a ``SharedMutex``: a change that another process makes and tells of.
///
/// ```swift
/// try mutex.withLock { lock in                       // one process
///   try filled.wait(with: &lock) { queue.isEmpty }
///   work(queue)
/// }
/// try mutex.withLock { _ in queue.append(job) }      // another one
/// try filled.notifyOne()
/// ```
///
/// It is a number in the memory that every notification raises, and that waiters wait on with a futex. A process that is
/// killed while it waits leaves nothing behind; `pthread_cond_t` counts its waiters, and whoever notifies after one was
/// killed may hang.
///
/// It is a reference: copies are the same condition, and keep the memory mapped. It takes ``byteCount`` bytes, of which
/// the first 8 are `SwCondn1`, and the number, 32 bits, lies at 16.
public struct SharedCondition: Sendable {
  /// How many bytes it takes, at an offset that is a multiple of it.
  public static let byteCount = SharedPlace.byteCount

  private static let mark = UInt64(bigEndian: 0x5377_436F_6E64_6E31)  // "SwCondn1"

  private let place: SharedPlace

  /// Makes a condition in memory that nobody uses yet, overwriting what is there.
  ///
  /// - Throws: `Errno.invalidArgument` when `offset` is not a multiple of ``byteCount`` or the memory ends before, and
  ///   when the memory is read-only.
  public init(creatingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    place = try SharedPlace(creating: Self.mark, in: mapping, at: offset, "SharedCondition") { _ in }
  }

  /// Finds a condition that another process has made.
  ///
  /// - Throws: `Errno.invalidArgument` when there is none at `offset`, or its creator is not done yet; when the memory
  ///   is read-only.
  public init(openingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    place = try SharedPlace(opening: Self.mark, in: mapping, at: offset, "SharedCondition")
  }

  /// Gives the lock up, waits for a notification, and takes the lock again. It may return without one, so look again at
  /// what is waited for; ``wait(with:timeout:while:)`` does.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`; the C function it stands for is
  /// `pthread_cond_clockwait`.
  ///
  /// - Parameters:
  ///   - lock: held by whoever calls, and held again when this returns or throws that it timed out. Look at
  ///     ``SharedMutex/Lock/ownerDied``: a holder may have died meanwhile.
  ///   - timeout: how long to wait for the notification; `nil` waits for ever. Taking the lock again is not limited.
  /// - Throws: `Errno.timedOut`; `Errno.notRecoverable` when the lock cannot be taken again: it is not held then, and
  ///   `body` of ``SharedMutex/withLock(timeout:_:)`` has to leave what it protects alone; `Errno.invalidArgument` before
  ///   ``SharedMutex/Lock/markConsistent()``.
  public func wait(with lock: inout SharedMutex.Lock, timeout: Duration? = nil) throws(InterprocessError) {
    try wait(with: &lock, by: Deadline(timeout))
  }

  /// Waits for as long as `predicate` holds, which is called with the lock held.
  ///
  /// When a holder of the lock dies meanwhile it returns at once, ``SharedMutex/Lock/ownerDied`` set: `predicate` would
  /// look at what may be half changed.
  ///
  /// - Parameter timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: what ``wait(with:timeout:)`` throws, and what `predicate` throws.
  public func wait(
    with lock: inout SharedMutex.Lock, timeout: Duration? = nil, while predicate: () throws -> Bool
  ) throws {
    let deadline = Deadline(timeout)
    while try !lock.ownerDied && predicate() { try wait(with: &lock, by: deadline) }
  }

  private func wait(with lock: inout SharedMutex.Lock, by deadline: Deadline) throws(InterprocessError) {
    // Read with the lock held: a notification that comes after it is given up has raised the number by the time the
    // futex compares. (It would have to be raised 2^32 times in between to go unnoticed.)
    let seen = sequence.pointee.load(ordering: .relaxed)
    let word = place.content
    func sleep() -> Errno {
      deadline.withRemaining { left in
        ci_futex_wait(word, seen, left) == -1 ? Errno.current : Errno(rawValue: 0)
      }
    }
    let reason = try lock.releasing(sleep)
    switch reason {
    // The number had changed already, or a signal came: both mean "look again".
    case Errno(rawValue: 0), .wouldBlock, .interrupted: return
    default: throw InterprocessError(call: "futex", object: place.described, errno: reason)
    }
  }

  /// Wakes one of those who wait. Nothing happens when there is none.
  ///
  /// Call it after what they wait for was changed with the lock held, whether it is held still or not. A process that is
  /// killed after it woke and before it did anything takes the notification with it; where another one should get it
  /// then, use ``notifyAll()`` or wait with a timeout.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAKE`; the C function it stands for is `pthread_cond_signal`.
  public func notifyOne() throws(InterprocessError) { try notify(1) }

  /// Wakes all who wait.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAKE`; the C function it stands for is
  /// `pthread_cond_broadcast`.
  public func notifyAll() throws(InterprocessError) { try notify(.max) }

  private func notify(_ count: CInt) throws(InterprocessError) {
    // Relaxed: the mutex orders what is waited for, and the futex compares the number itself.
    sequence.pointee.wrappingAdd(1, ordering: .relaxed)
    let word = place.content
    try systemCall("futex", place.described) { ci_futex_wake(word, count) }
  }

  private var sequence: UnsafeMutablePointer<Atomic<UInt32>> {
    place.content.assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}
