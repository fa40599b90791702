public import CInterprocess
import Glibc
public import SystemPackage

/// Locks on a file, or on ranges of its bytes, that processes agree to respect.
///
/// ```swift
/// let lock = try FileLock(creatingIfAbsent: "/var/lib/jobs/lock")
/// try lock.withLock { work() }
/// let record = try lock.acquire(.shared, range: 512..<1024, timeout: .seconds(1))
/// ```
///
/// The locks are advisory, and those of an open file description (`F_OFD_SETLK`): they belong to this value and not to
/// the process, so two values that opened the same file exclude each other within one process too, and closing some
/// other descriptor of the file releases nothing, as it does with `lockf`. The kernel releases them when the holder
/// ends, however it ends. A child forked while a lock is held shares it: the lock is free when
/// either releases it, or both have closed the file.
///
/// One value serves one holder of a range: it refuses a lock that overlaps one of its own, which the kernel would merge
/// with it. Threads that are to exclude each other open the file each.
public struct FileLock: ~Copyable, Sendable {
  /// Who else may hold a lock on the same bytes.
  public enum Kind: Hashable, Sendable {
    /// Others with a shared lock: for reading.
    case shared
    /// Nobody: for writing.
    case exclusive

    @inlinable
    var raw: CShort { CShort(self == .shared ? F_RDLCK : F_WRLCK) }
  }

  @usableFromInline let file: LockedFile

  /// Opens a file that exists, to lock it.
  ///
  /// The corresponding C function is `open`.
  ///
  /// - Parameter readOnly: whether the file is opened for reading only, where this user may not write; such a file takes
  ///   shared locks only.
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public init(opening path: FilePath, readOnly: Bool = false) throws(InterprocessError) {
    // Of a FIFO that somebody has put there, opening would wait for a writer.
    file = LockedFile(
      try OwnedDescriptor(openingFile: path, (readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK), "\"\(path)\"")
  }

  /// Opens a file to lock it, creating it empty if there is none.
  ///
  /// Do not remove a lock file: one process would hold the lock of the old file and another one that of the new.
  ///
  /// The corresponding C function is `open` with `O_CREAT`.
  ///
  /// - Throws: `Errno.permissionDenied`.
  public init(
    creatingIfAbsent path: FilePath, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    file = LockedFile(try OwnedDescriptor(openingFile: path, O_RDWR | O_CREAT, permissions), "\"\(path)\"")
  }

  /// Locks a file that is open already.
  ///
  /// Copies of the descriptor, made by `dup` or passed to another process, have the same locks.
  public init(adopting descriptor: consuming OwnedDescriptor) {
    let name = "descriptor \(descriptor.rawValue)"
    file = LockedFile(descriptor, name)
  }

  /// Locks the file, waiting while somebody else's lock is in the way.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_SETLKW`. With a timeout, a timer sends the waiting thread a
  /// signal when it has passed.
  ///
  /// - Parameters:
  ///   - kind: who else may hold a lock meanwhile.
  ///   - range: which bytes, whether the file has them or not; `nil` for all there are and will be.
  ///   - timeout: how long to wait; `nil` waits for ever.
  /// - Returns: the lock, held until it is released or its owner goes.
  /// - Throws: `Errno.timedOut`; `Errno.badFileDescriptor` for an exclusive lock on a file opened read-only;
  ///   `Errno.deadlock` when this value holds a lock on some of the bytes; `Errno.invalidArgument` for an empty range.
  @inlinable
  public func acquire(
    _ kind: Kind = .exclusive, range: Range<Int>? = nil, timeout: Duration? = nil
  ) throws(InterprocessError) -> HeldFileLock {
    if range == nil, timeout == nil, file.locksEverything(kind.raw) { return HeldFileLock(file, nil) }
    return try acquireCarefully(kind, range, timeout)
  }

  @usableFromInline
  func acquireCarefully(
    _ kind: Kind, _ range: Range<Int>?, _ timeout: Duration?
  ) throws(InterprocessError) -> HeldFileLock {
    try file.reserve(range)
    do {
      try file.lock(kind, range, by: Deadline(timeout))
    } catch {
      file.forget(range)
      throw error
    }
    return HeldFileLock(file, range)
  }

  /// Locks the file if no lock of somebody else's is in the way.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_SETLK`.
  ///
  /// - Returns: the lock, held until it is released or its owner goes; `nil` when another one is in the way.
  /// - Throws: what ``acquire(_:range:timeout:)`` throws, `Errno.timedOut` aside.
  public func tryAcquire(
    _ kind: Kind = .exclusive, range: Range<Int>? = nil
  ) throws(InterprocessError) -> HeldFileLock? {
    try file.reserve(range)
    do {
      guard try file.tryLock(kind, range) else {
        file.forget(range)
        return nil
      }
    } catch {
      file.forget(range)
      throw error
    }
    return HeldFileLock(file, range)
  }

  /// Calls `body` while the file is locked. See ``acquire(_:range:timeout:)``.
  public func withLock<Result: ~Copyable>(
    _ kind: Kind = .exclusive, range: Range<Int>? = nil, timeout: Duration? = nil, _ body: () throws -> Result
  ) throws -> Result {
    var held = try acquire(kind, range: range, timeout: timeout)
    let result = try body()
    try held.release()
    return result
  }

  /// A lock of somebody else's that is in the way.
  public struct Conflict: Hashable, Sendable {
    public let kind: Kind
    /// Its first byte.
    public let start: Int
    /// How many bytes it has; `nil` for all from ``start``.
    public let byteCount: Int?
    /// The process that holds it, if it is a lock of the older kind, which belongs to a process (`lockf`, `F_SETLK`).
    /// Who holds a lock of an open file description the kernel does not say.
    public let holder: CInt?
  }

  /// The first lock of somebody else's that would be in the way of this one now.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_GETLK`.
  public func conflict(
    with kind: Kind = .exclusive, range: Range<Int>? = nil
  ) throws(InterprocessError) -> Conflict? {
    try file.conflict(kind, range)
  }
}

/// A lock that a ``FileLock`` has given, released when its owner goes.
public struct HeldFileLock: ~Copyable, Sendable {
  @usableFromInline let file: LockedFile
  @usableFromInline let range: Range<Int>?
  @usableFromInline var isHeld = true

  @inlinable
  init(_ file: LockedFile, _ range: Range<Int>?) {
    self.file = file
    self.range = range
  }

  /// Releases the lock now, and says if that fails. Releasing it again does nothing.
  ///
  /// The corresponding C function is `fcntl` with `F_OFD_SETLK` and `F_UNLCK`.
  @inlinable
  public mutating func release() throws(InterprocessError) {
    guard isHeld else { return }
    isHeld = false
    if range != nil || !file.unlocksEverything() { try unlock() }
  }

  @usableFromInline
  func unlock() throws(InterprocessError) { try file.unlock(range) }

  @inlinable
  deinit { if isHeld { try? unlock() } }
}
