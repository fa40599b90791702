// Public, since with them pthread's calls are inlined where a lock is used: they take 14 ns, and what stands between
// half as much.
public import CInterprocess
public import Glibc
import SystemPackage

/// A `pthread_mutex_t` in memory that its user keeps mapped: holding on to that here would take as long as the lock.
@usableFromInline
struct RawMutex: @unchecked Sendable {
  // Sendable: what it points to is a lock, which is made for threads.

  @usableFromInline let pointer: UnsafeMutablePointer<pthread_mutex_t>
  @usableFromInline let offset: Int

  init(at place: UnsafeMutableRawPointer, described offset: Int) {
    pointer = place.assumingMemoryBound(to: pthread_mutex_t.self)
    self.offset = offset
  }

  /// As errors name it.
  var described: String { "offset \(offset)" }

  func initialize() throws(InterprocessError) {
    try check("pthread_mutex_init", ci_mutex_init(pointer))
  }

  /// - Returns: whether the last holder died.
  @inlinable
  func lock() throws(InterprocessError) -> Bool {
    try diedBefore("pthread_mutex_lock", pthread_mutex_lock(pointer))
  }

  /// - Returns: whether the last holder died.
  @usableFromInline
  func lock(timeout: Duration) throws(InterprocessError) -> Bool {
    let result = Deadline(timeout).withInstant { instant in
      // A timeout longer than time is none.
      instant.map { ci_mutex_clocklock(pointer, $0) } ?? pthread_mutex_lock(pointer)
    }
    return try diedBefore("pthread_mutex_clocklock", result)
  }

  /// - Returns: whether the last holder died; `nil` when it is held.
  @inlinable
  func tryLock() throws(InterprocessError) -> Bool? {
    let result = pthread_mutex_trylock(pointer)
    return result == EBUSY ? nil : try diedBefore("pthread_mutex_trylock", result)
  }

  @inlinable
  func unlock() throws(InterprocessError) { try check("pthread_mutex_unlock", pthread_mutex_unlock(pointer)) }

  func markConsistent() throws(InterprocessError) {
    try check("pthread_mutex_consistent", pthread_mutex_consistent(pointer))
  }

  @inlinable
  func diedBefore(_ call: StaticString, _ result: CInt) throws(InterprocessError) -> Bool {
    if result == EOWNERDEAD { return true }
    try check(call, result)
    return false
  }

  /// The functions of pthread return the reason and leave `errno` alone.
  @inlinable
  func check(_ call: StaticString, _ result: CInt) throws(InterprocessError) {
    if result != 0 { throw failure(call, result) }
  }

  @usableFromInline
  func failure(_ call: StaticString, _ result: CInt) -> InterprocessError {
    let reason = Errno(rawValue: result)
    let remedy: String? =
      switch reason {
      case .deadlock: "this thread holds the lock already"
      case .notRecoverable:
        "a holder died, and the next one did not call markConsistent(); one process has to create the lock anew"
      default: nil
      }
    return InterprocessError(call: "\(call)", object: described, errno: reason, remedy: remedy)
  }
}
