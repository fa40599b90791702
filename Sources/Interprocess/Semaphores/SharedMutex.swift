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

  /// Keeps the memory mapped.
  private let place: SharedPlace
  @usableFromInline let raw: RawMutex

  private init(_ place: SharedPlace, _ offset: Int) {
    self.place = place
    raw = RawMutex(at: place.content, described: offset)
  }

  /// Makes a lock in memory that nobody uses yet, overwriting what is there.
  ///
  /// The corresponding C function is `pthread_mutex_init` with `PTHREAD_PROCESS_SHARED`, `PTHREAD_MUTEX_ROBUST` and
  /// `PTHREAD_MUTEX_ERRORCHECK`.
  ///
  /// - Throws: `Errno.invalidArgument` when `offset` is not a multiple of ``byteCount`` or the memory ends before, and
  ///   when the memory is read-only.
  public init(creatingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    let place = try SharedPlace(creating: Self.mark, in: mapping, at: offset, "SharedMutex") {
      content throws(InterprocessError) in
      try RawMutex(at: content, described: offset).initialize()
    }
    self.init(place, offset)
  }

  /// Finds a lock that another process has made.
  ///
  /// - Throws: `Errno.invalidArgument` when there is none at `offset`, or its creator is not done yet; when the memory
  ///   is read-only.
  public init(openingIn mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    self.init(try SharedPlace(opening: Self.mark, in: mapping, at: offset, "SharedMutex"), offset)
  }

  /// The lock while it is held: what the body of ``SharedMutex/withLock(timeout:_:)`` gets, and cannot keep.
  public struct Lock: ~Copyable, ~Escapable {
    /// Mapped for as long as the mutex lives, which is longer than this does.
    @usableFromInline let raw: RawMutex

    /// Whether the last holder died while it held the lock, and ``markConsistent()`` has not been called since. What the
    /// lock protects may be half changed.
    @inlinable
    public var ownerDied: Bool { hasOwnerDied }

    @usableFromInline var hasOwnerDied: Bool

    /// Whether it is held still. It is not when a ``SharedCondition`` could not take it again.
    @usableFromInline var isHeld = true

    @inlinable
    @_lifetime(borrow mutex)
    init(_ mutex: borrowing SharedMutex, ownerDied: Bool) {
      raw = mutex.raw
      hasOwnerDied = ownerDied
    }

    /// Says that what the lock protects is in order again, after ``ownerDied``. Otherwise it does nothing.
    ///
    /// The corresponding C function is `pthread_mutex_consistent`.
    ///
    /// - Throws: `Errno.invalidArgument` when the lock is not in that state any more.
    public mutating func markConsistent() throws(InterprocessError) {
      guard hasOwnerDied else { return }
      try raw.markConsistent()
      hasOwnerDied = false
    }

    /// Gives the lock up, if it is held still.
    @inlinable
    func end() throws(InterprocessError) {
      if isHeld { try raw.unlock() }
    }

    /// Gives the lock up, calls `body`, and takes the lock again.
    mutating func releasing<Answer>(_ body: () -> Answer) throws(InterprocessError) -> Answer {
      guard isHeld, !ownerDied else {
        throw .refused(
          "SharedCondition", raw.described,
          isHeld ? "the lock's last holder died; call markConsistent() before waiting" : "the lock is not held any more"
        )
      }
      try end()
      isHeld = false
      let answer = body()
      hasOwnerDied = try raw.lock()
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
    let ownerDied = if let timeout { try raw.lock(timeout: timeout) } else { try raw.lock() }
    return try run(ownerDied: ownerDied, body)
  }

  /// Calls `body` with the lock held, if nobody else holds it now.
  ///
  /// The corresponding C functions are `pthread_mutex_trylock` and `pthread_mutex_unlock`.
  ///
  /// - Returns: what `body` returned; `nil` when the lock is held.
  /// - Throws: `Errno.notRecoverable`, as ``withLock(timeout:_:)`` does; what `body` throws.
  @inlinable
  public func withLockIfAvailable<Result: ~Copyable>(_ body: (inout Lock) throws -> Result) throws -> Result? {
    guard let ownerDied = try raw.tryLock() else { return nil }
    return try run(ownerDied: ownerDied, body)
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
}
