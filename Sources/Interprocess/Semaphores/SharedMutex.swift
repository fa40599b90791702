import CInterprocess
import Glibc
import SystemPackage

/// A lock in shared memory, which one thread of one process holds at a time, and which outlives a holder that dies.
///
/// ```swift
/// let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
/// try mutex.withLock { lock in
///   if lock.ownerDied {
///     repair()                     // the last holder died half-way through
///     try lock.markConsistent()
///   }
///   work()
/// }
/// ```
///
/// When a process dies while it holds the lock, the next one gets it and is told so: ``Lock/ownerDied``. It repairs what
/// the lock protects and calls ``Lock/markConsistent()``; if it does not, nobody gets the lock any more.
///
/// It is a reference: copies are the same lock, and keep the memory mapped. It takes ``byteCount`` bytes, of which the
/// first 8 are `SwMutex1` and those from 16 on a `pthread_mutex_t`, robust and checking for errors, which a program in C
/// may use directly. The processes have to be of the same C library and trust each other: whoever writes into the lock's
/// bytes can break the others.
public struct SharedMutex: Sendable {
  /// How many bytes it takes, at an offset that is a multiple of it.
  public static let byteCount = SharedPlace.byteCount

  private static let mark = UInt64(bigEndian: 0x5377_4D75_7465_7831)  // "SwMutex1"

  private let place: SharedPlace

  /// Makes a lock in memory that nobody uses yet, overwriting what is there.
  ///
  /// The corresponding C function is `pthread_mutex_init` with `PTHREAD_PROCESS_SHARED`, `PTHREAD_MUTEX_ROBUST` and
  /// `PTHREAD_MUTEX_ERRORCHECK`.
  ///
  /// - Throws: `Errno.invalidArgument` when `offset` is not a multiple of ``byteCount`` or the memory ends before, and
  ///   when the memory is read-only.
  public init(creatingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    place = try SharedPlace(creating: Self.mark, in: mapping, at: offset, "SharedMutex") {
      content throws(InterprocessError) in
      let result = ci_mutex_init(content.assumingMemoryBound(to: pthread_mutex_t.self))
      if result != 0 { throw InterprocessError(call: "pthread_mutex_init", errno: Errno(rawValue: result)) }
    }
  }

  /// Finds a lock that another process has made.
  ///
  /// - Throws: `Errno.invalidArgument` when there is none at `offset`, or its creator is not done yet; when the memory
  ///   is read-only.
  public init(openingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    place = try SharedPlace(opening: Self.mark, in: mapping, at: offset, "SharedMutex")
  }

  /// The lock while it is held: what the body of ``SharedMutex/withLock(timeout:_:)`` gets.
  public struct Lock: ~Copyable {
    private let mutex: SharedMutex

    /// Whether the last holder died while it held the lock, and ``markConsistent()`` has not been called since. What the
    /// lock protects may be half changed.
    public private(set) var ownerDied: Bool

    /// Whether it is held still. It is not when a ``SharedCondition`` could not take it again.
    private(set) var isHeld = true

    @usableFromInline
    init(_ mutex: SharedMutex, ownerDied: Bool) {
      self.mutex = mutex
      self.ownerDied = ownerDied
    }

    /// Says that what the lock protects is in order again, after ``ownerDied``. Otherwise it does nothing.
    ///
    /// The corresponding C function is `pthread_mutex_consistent`.
    ///
    /// - Throws: `Errno.invalidArgument` when the lock is not held any more.
    public mutating func markConsistent() throws(InterprocessError) {
      guard ownerDied else { return }
      try mutex.check("pthread_mutex_consistent", pthread_mutex_consistent(mutex.raw))
      ownerDied = false
    }

    /// Gives the lock up, if it is held still.
    @usableFromInline
    func end() throws(InterprocessError) {
      if isHeld { try mutex.release() }
    }

    /// Gives the lock up, calls `body`, and takes the lock again.
    mutating func releasing<Answer>(_ body: () -> Answer) throws(InterprocessError) -> Answer {
      guard isHeld, !ownerDied else {
        throw .refused(
          "SharedCondition", mutex.place.described,
          isHeld ? "the lock's last holder died; call markConsistent() before waiting" : "the lock is not held any more"
        )
      }
      try mutex.release()
      isHeld = false
      let answer = body()
      ownerDied = try mutex.acquire("pthread_mutex_lock", pthread_mutex_lock(mutex.raw))
      isHeld = true
      return answer
    }
  }

  /// Calls `body` with the lock held, waiting for it while another thread or process holds it.
  ///
  /// `body` is synchronous, since the lock belongs to the thread.
  ///
  /// The corresponding C functions are `pthread_mutex_lock`, with a timeout `pthread_mutex_clocklock` on
  /// `CLOCK_MONOTONIC`, and `pthread_mutex_unlock`.
  ///
  /// - Parameter timeout: how long to wait for the lock; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.deadlock` when this thread holds it already; `Errno.notRecoverable` when a
  ///   holder died and the next did not mark it consistent; what `body` throws.
  @inlinable
  public func withLock<Result: ~Copyable>(
    timeout: Duration? = nil, _ body: (inout Lock) throws -> Result
  ) throws -> Result {
    try run(ownerDied: lock(timeout), body)
  }

  /// Calls `body` with the lock held, if nobody else holds it now.
  ///
  /// The corresponding C functions are `pthread_mutex_trylock` and `pthread_mutex_unlock`.
  ///
  /// - Returns: what `body` returned; `nil` when the lock is held.
  /// - Throws: `Errno.notRecoverable`, as ``withLock(timeout:_:)`` does; what `body` throws.
  public func withLockIfAvailable<Result: ~Copyable>(_ body: (inout Lock) throws -> Result) throws -> Result? {
    let result = pthread_mutex_trylock(raw)
    if result == EBUSY { return nil }
    return try run(ownerDied: acquire("pthread_mutex_trylock", result), body)
  }

  @inlinable
  func run<Result: ~Copyable>(
    ownerDied: Bool, _ body: (inout Lock) throws -> Result
  ) throws -> Result {
    var lock = Lock(self, ownerDied: ownerDied)
    let result: Result
    do {
      result = try body(&lock)
    } catch {
      try lock.end()
      throw error
    }
    try lock.end()
    return result
  }

  /// - Returns: whether the last holder died.
  @usableFromInline
  func lock(_ timeout: Duration?) throws(InterprocessError) -> Bool {
    if timeout == nil {
      let result = pthread_mutex_lock(raw)
      return result == 0 ? false : try acquire("pthread_mutex_lock", result)
    }
    let result = Deadline(timeout).withInstant { instant in
      // A timeout longer than time is none.
      instant.map { ci_mutex_clocklock(raw, $0) } ?? pthread_mutex_lock(raw)
    }
    return try acquire("pthread_mutex_clocklock", result)
  }

  private var raw: UnsafeMutablePointer<pthread_mutex_t> {
    place.content.assumingMemoryBound(to: pthread_mutex_t.self)
  }

  private func release() throws(InterprocessError) {
    let result = pthread_mutex_unlock(raw)
    if result != 0 { try check("pthread_mutex_unlock", result) }
  }

  /// - Returns: whether the last holder died.
  private func acquire(_ call: StaticString, _ result: CInt) throws(InterprocessError) -> Bool {
    if result == EOWNERDEAD { return true }
    try check(call, result)
    return false
  }

  /// The functions of pthread return the reason and leave `errno` alone.
  private func check(_ call: StaticString, _ result: CInt) throws(InterprocessError) {
    if result == 0 { return }
    let reason = Errno(rawValue: result)
    let remedy: String? =
      switch reason {
      case .deadlock: "this thread holds the lock already"
      case .notRecoverable:
        "a holder died, and the next one did not call markConsistent(); one process has to create the lock anew"
      default: nil
      }
    throw InterprocessError(call: "\(call)", object: place.described, errno: reason, remedy: remedy)
  }
}
