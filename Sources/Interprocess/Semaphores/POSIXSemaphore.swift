import CInterprocess
import Glibc
public import SystemPackage

/// A POSIX named semaphore: a count that processes wait for and raise, found by name until it is unlinked.
///
/// Opening, closing and unlinking are separate: a semaphore that goes out of scope is closed, and keeps its name and its
/// value; ``unlink(_:)`` removes the name.
///
/// The kernel does not know who holds it. A process that dies between `acquire(timeout:)` and ``release()`` leaves the
/// others waiting; where that matters, use ``SystemVSemaphoreSet`` with undo.
public struct POSIXSemaphore: ~Copyable, Sendable {
  /// The semaphore's name, with its slash.
  public let name: String

  @usableFromInline let semaphore: SemaphorePointer

  /// Creates a semaphore that did not exist before.
  ///
  /// The corresponding C function is `sem_open` with `O_CREAT | O_EXCL`.
  ///
  /// - Parameters:
  ///   - name: one slash and up to 251 bytes without another.
  ///   - value: how many may acquire it before the next has to wait.
  ///   - permissions: who may open it, less the process's umask.
  /// - Throws: `Errno.fileExists`; `Errno.invalidArgument` for a value above 2^31 - 1.
  public init(
    creating name: String, value: UInt32, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(name, O_CREAT | O_EXCL, permissions, value)
  }

  /// Opens the semaphore, creating it if there is none. An existing one keeps its value.
  ///
  /// The corresponding C function is `sem_open` with `O_CREAT`.
  public init(
    creatingIfAbsent name: String, value: UInt32, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(name, O_CREAT, permissions, value)
  }

  /// Opens a semaphore that exists.
  ///
  /// The corresponding C function is `sem_open`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public init(opening name: String) throws(InterprocessError) {
    try self.init(name, 0, [], 0)
  }

  private init(
    _ name: String, _ flags: CInt, _ permissions: FilePermissions, _ value: UInt32
  ) throws(InterprocessError) {
    let checked = try ObjectName(checking: name, for: "sem_open", most: ObjectName.mostForSemaphores)
    guard let opened = ci_sem_open(name, flags, permissions.rawValue, value) else {
      let reason = Errno.current
      let remedy: String? =
        switch reason {
        case .invalidArgument: "value \(value) is above 2147483647"
        case .noSpace: "/dev/shm is full"
        default: namingRemedy(for: reason, kind: "semaphore")
        }
      throw InterprocessError(
        call: "sem_open", object: checked.quoted, errno: reason, remedy: remedy ?? generalRemedy(for: reason))
    }
    semaphore = SemaphorePointer(raw: opened)
    self.name = name
  }

  deinit {
    sem_close(semaphore.raw)
  }

  /// Takes one from the value, waiting while it is 0.
  ///
  /// The corresponding C function is `sem_wait`, with a timeout `sem_clockwait` on `CLOCK_MONOTONIC`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`.
  @inlinable
  public func acquire(timeout: Duration? = nil) throws(InterprocessError) {
    if timeout == nil, semaphore.acquires() { return }
    try acquireOrThrow(timeout)
  }

  @usableFromInline
  func acquireOrThrow(_ timeout: Duration?) throws(InterprocessError) {
    try semaphore.acquire(by: Deadline(timeout), quotedName)
  }

  /// Takes one from the value if it is not 0.
  ///
  /// The corresponding C function is `sem_trywait`.
  ///
  /// - Returns: whether it was taken.
  public func tryAcquire() throws(InterprocessError) -> Bool {
    try semaphore.tryAcquire(quotedName)
  }

  /// Adds one to the value, and wakes one that waits.
  ///
  /// The corresponding C function is `sem_post`.
  ///
  /// - Throws: `Errno.overflow` when the value is 2^31 - 1 already.
  @inlinable
  public func release() throws(InterprocessError) {
    if !semaphore.releases() { try releaseOrThrow() }
  }

  @usableFromInline
  func releaseOrThrow() throws(InterprocessError) {
    try semaphore.release(quotedName)
  }

  /// Calls `body` between `acquire(timeout:)` and ``release()``.
  public func withAcquired<Result: ~Copyable>(
    timeout: Duration? = nil, _ body: () throws -> Result
  ) throws -> Result {
    try semaphore.withAcquired(by: Deadline(timeout), quotedName, body)
  }

  /// The value now, which may be another by the time it is looked at.
  ///
  /// The corresponding C function is `sem_getvalue`.
  public var value: Int {
    get throws(InterprocessError) { try semaphore.value(quotedName) }
  }

  /// Removes a semaphore's name. Whoever has it open goes on using it.
  ///
  /// The corresponding C function is `sem_unlink`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public static func unlink(_ name: String) throws(InterprocessError) {
    let checked = try ObjectName(checking: name, for: "sem_unlink", most: ObjectName.mostForSemaphores)
    try systemCall("sem_unlink", checked.quoted, remedy: naming("semaphore")) {
      sem_unlink(name)
    }
  }

  var quotedName: String { "\"\(name)\"" }
}
