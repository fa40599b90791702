import CInterprocess
import Glibc
import SystemPackage

/// A POSIX semaphore without a name, in shared memory: a count that processes which map the memory wait for and raise.
///
/// Like ``POSIXSemaphore``, it does not know who holds it: a process that dies between `acquire(timeout:)` and
/// ``release()`` leaves the others waiting. ``SharedMutex`` does.
///
/// It is a reference: copies are the same semaphore, and keep the memory mapped. It takes ``byteCount`` bytes, of which
/// the first 8 are `SwSemph1` and those from 16 on a `sem_t`, which a program in C may use directly.
public struct UnnamedSemaphore: Sendable {
  /// How many bytes it takes, at an offset that is a multiple of it.
  public static let byteCount = SharedPlace.byteCount

  private static let mark = UInt64(bigEndian: 0x5377_5365_6D70_6831)  // "SwSemph1"

  let place: SharedPlace

  /// Lies in the place.
  @usableFromInline let semaphore: SemaphorePointer

  /// Makes a semaphore in memory that nobody uses yet, overwriting what is there.
  ///
  /// The corresponding C function is `sem_init` with `pshared`.
  ///
  /// - Parameter value: how many may acquire it before the next has to wait.
  /// - Throws: `Errno.invalidArgument` for a value above 2^31 - 1, when `offset` is not a multiple of ``byteCount`` or
  ///   the memory ends before, and when the memory is read-only.
  public init(creatingIn mapping: borrowing Mapping, at offset: Int, value: UInt32) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      reason == .invalidArgument ? "value \(value) is above 2147483647" : nil
    }
    let place = try SharedPlace(creating: Self.mark, in: mapping, at: offset, "UnnamedSemaphore") {
      content throws(InterprocessError) in
      try systemCall("sem_init", "offset \(offset)", remedy: remedy) {
        sem_init(content.assumingMemoryBound(to: sem_t.self), 1, value)
      }
    }
    self.init(place)
  }

  /// Finds a semaphore that another process has made.
  ///
  /// - Throws: `Errno.invalidArgument` when there is none at `offset`, or its creator is not done yet; when the memory
  ///   is read-only.
  public init(openingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    self.init(try SharedPlace(opening: Self.mark, in: mapping, at: offset, "UnnamedSemaphore"))
  }

  private init(_ place: SharedPlace) {
    self.place = place
    semaphore = SemaphorePointer(raw: place.content.assumingMemoryBound(to: sem_t.self))
  }

  /// Takes one from the value, waiting while it is 0.
  ///
  /// The corresponding C function is `sem_wait`, with a timeout `sem_clockwait` on `CLOCK_MONOTONIC`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`.
  @inlinable
  public func acquire(timeout: Duration? = nil) throws(InterprocessError) {
    // What the pointer points at is mapped for as long as there is a `self`.
    if timeout == nil, withExtendedLifetime(self, { semaphore.acquires() }) { return }
    try acquireOrThrow(timeout)
  }

  @usableFromInline
  func acquireOrThrow(_ timeout: Duration?) throws(InterprocessError) {
    try semaphore.acquire(by: Deadline(timeout), place.described)
  }

  /// Takes one from the value if it is not 0.
  ///
  /// The corresponding C function is `sem_trywait`.
  ///
  /// - Returns: whether it was taken.
  public func tryAcquire() throws(InterprocessError) -> Bool { try semaphore.tryAcquire(place.described) }

  /// Adds one to the value, and wakes one that waits.
  ///
  /// The corresponding C function is `sem_post`.
  ///
  /// - Throws: `Errno.overflow` when the value is 2^31 - 1 already.
  @inlinable
  public func release() throws(InterprocessError) {
    if !withExtendedLifetime(self, { semaphore.releases() }) { try releaseOrThrow() }
  }

  @usableFromInline
  func releaseOrThrow() throws(InterprocessError) {
    try semaphore.release(place.described)
  }

  /// Calls `body` between `acquire(timeout:)` and ``release()``.
  public func withAcquired<Result: ~Copyable>(
    timeout: Duration? = nil, _ body: () throws -> Result
  ) throws -> Result {
    try semaphore.withAcquired(by: Deadline(timeout), place.described, body)
  }

  /// The value now, which may be another by the time it is looked at.
  ///
  /// The corresponding C function is `sem_getvalue`.
  public var value: Int {
    get throws(InterprocessError) { try semaphore.value(place.described) }
  }
}
