import CInterprocess
import Glibc
public import SystemPackage

/// A set of System V semaphores: counts that processes change, several at once if need be, all or none.
///
/// It stays until somebody removes it. Operations with undo are taken back by the kernel when the process ends, however
/// it ends: a lock held that way never outlives its holder.
///
/// ## Who initialises it
/// `semget` creates a set with values nobody has chosen, and setting them is a second call; a process that opens the set
/// in between would use it too early. `init(creatingIfAbsent:values:permissions:)` closes the gap as Stevens does: the
/// creator ends with an operation, which sets the time of the last one (`sem_otime`), and an opener waits until it is
/// set. A creator that does not know the custom leaves it at zero, so an opener waits no longer than two seconds, and
/// takes the values that it finds then. Where nobody has set any, the creator died in between, or is stopped: that is an
/// error, with the set's number, by which it can be removed.
public struct SystemVSemaphoreSet: ~Copyable, Sendable {
  /// One change to one semaphore of the set.
  public struct Operation: Hashable, Sendable {
    /// Which semaphore, from 0.
    public var index: UInt16
    /// What to add: negative numbers wait until the value is large enough, 0 waits until it is 0.
    public var change: Int16
    /// Whether the kernel takes the change back when this process ends.
    public var undo: Bool

    public init(index: UInt16 = 0, change: Int16, undo: Bool = false) {
      self.index = index
      self.change = change
      self.undo = undo
    }

    func raw(_ flags: CInt) -> sembuf {
      sembuf(sem_num: index, sem_op: change, sem_flg: Int16((undo ? Self.undoFlag : 0) | flags))
    }

    private static let undoFlag: CInt = 0x1000  // SEM_UNDO
  }

  /// The kernel's number of the set, which other processes can open it by.
  public let id: CInt

  /// How many semaphores it has.
  public let count: Int

  let described: String

  /// Creates a set that did not exist before.
  ///
  /// The corresponding C functions are `semget` with `IPC_CREAT | IPC_EXCL`, `semctl` with `SETALL`, and `semop`. When
  /// one of them fails the set is removed again.
  ///
  /// - Parameter values: the semaphores' first values, each 0 to 32767.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` past `kernel.sem`; `Errno.outOfRange` for a value above 32767.
  public init(
    creating key: SystemVKey, values: [UInt16], permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let address = SystemVAddress.key(key, flags: IPC_CREAT | IPC_EXCL)
    self.init(id: try Self.create(address, values, permissions), count: values.count, address)
  }

  /// Creates a set without a key, for this process, its children, and whoever is told its ``id``.
  ///
  /// The corresponding C functions are `semget` with `IPC_PRIVATE`, `semctl` with `SETALL`, and `semop`.
  public init(
    values: [UInt16], permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    self.init(id: try Self.create(.isPrivate, values, permissions), count: values.count, .isPrivate)
  }

  /// Opens a set that exists.
  ///
  /// The corresponding C function is `semget`.
  ///
  /// - Parameter count: how many semaphores it has to have at least.
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when it has fewer.
  public init(opening key: SystemVKey, count: Int = 1) throws(InterprocessError) {
    let address = SystemVAddress.key(key, flags: 0)
    let id = try Self.get(address, count, [])
    self.init(id: id, count: Int(try Self.status(id, address.described).sem_nsems), address)
  }

  /// Opens the set with a number that its creator was given. It has to be initialised.
  ///
  /// The corresponding C function is `semctl` with `IPC_STAT`.
  ///
  /// - Throws: `Errno.invalidArgument` or `Errno.identifierRemoved` when there is no such set; `Errno.permissionDenied`.
  public init(id: CInt) throws(InterprocessError) {
    let status = try Self.status(id, "id \(id)")
    self.id = id
    count = Int(status.sem_nsems)
    described = "id \(id)"
  }

  init(id: CInt, count: Int, _ address: SystemVAddress) {
    self.id = id
    self.count = count
    described = "\(address.described), id \(id)"
  }

  static func create(
    _ address: SystemVAddress, _ values: [UInt16], _ permissions: FilePermissions
  ) throws(InterprocessError) -> CInt {
    guard !values.isEmpty else { throw .refused("semget", address.described, "a set has at least 1 semaphore") }
    let id = try get(address, values.count, permissions)
    let described = "\(address.described), id \(id)"
    do {
      var values = values
      try systemCall("semctl", described, remedy: useRemedy) { ci_semctl_values(id, SETALL, &values) }
      // Operations that change nothing, after which sem_otime is set: whoever waits for the values goes on.
      let changes: [Int16] = values[0] == 0 ? [0] : [-1, 1]
      do throws(InterprocessError) {
        try perform(changes.map { Operation(change: $0).raw(IPC_NOWAIT) }, on: id, by: .never, described)
      } catch  where error.errno == .wouldBlock {
        // Somebody works with it already, which has set sem_otime as well.
      }
    } catch {
      _ = ci_semctl_value(id, 0, IPC_RMID, 0)
      throw error
    }
    return id
  }

  static func get(
    _ address: SystemVAddress, _ count: Int, _ permissions: FilePermissions
  ) throws(InterprocessError) -> CInt {
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .invalidArgument: "\(count) semaphores are more than the set has, or than kernel.sem allows"
      case .noSpace: "the machine has as many semaphores or sets as kernel.sem allows; remove some, ipcs -s lists them"
      default: namingRemedy(for: reason, kind: "semaphore set")
      }
    }
    return try systemCall("semget", address.described, remedy: remedy) {
      semget(address.key, CInt(clamping: count), address.flags(permissions))
    }
  }

  static func status(_ id: CInt, _ described: String) throws(InterprocessError) -> semid_ds {
    var status = semid_ds()
    try systemCall("semctl", described, remedy: useRemedy) { ci_semctl_status(id, IPC_STAT, &status) }
    return status
  }

  /// Performs all operations at once, waiting until each of them is possible.
  ///
  /// The corresponding C function is `semop`, with a timeout `semtimedop`.
  ///
  /// - Parameters:
  ///   - operations: performed in order as one step, or not at all.
  ///   - timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.identifierRemoved` when the set is removed meanwhile; `Errno.outOfRange` when a
  ///   value would pass 32767; `Errno.fileTooLarge` for an index the set does not have; `Errno.invalidArgument` when there
  ///   are no operations.
  public func perform(_ operations: [Operation], timeout: Duration? = nil) throws(InterprocessError) {
    try check(operations)
    try Self.perform(operations.map { $0.raw(0) }, on: id, by: Deadline(timeout), described)
  }

  /// Performs all operations at once, if each of them is possible now.
  ///
  /// The corresponding C function is `semop` with `IPC_NOWAIT`.
  ///
  /// - Returns: whether they were performed.
  public func tryPerform(_ operations: [Operation]) throws(InterprocessError) -> Bool {
    try check(operations)
    do {
      try Self.perform(operations.map { $0.raw(IPC_NOWAIT) }, on: id, by: .never, described)
      return true
    } catch  where error.errno == .wouldBlock {
      return false
    }
  }

  /// Takes one from a semaphore, waiting while it is 0. See `perform(_:timeout:)`.
  public func acquire(_ index: UInt16 = 0, undo: Bool = false, timeout: Duration? = nil) throws(InterprocessError) {
    try performOne(Operation(index: index, change: -1, undo: undo), timeout)
  }

  /// Takes one from a semaphore if it is not 0. See ``tryPerform(_:)``.
  ///
  /// - Returns: whether it was taken.
  public func tryAcquire(_ index: UInt16 = 0, undo: Bool = false) throws(InterprocessError) -> Bool {
    var raw = Operation(index: index, change: -1, undo: undo).raw(IPC_NOWAIT)
    do {
      try Self.perform(&raw, 1, on: id, by: .never, described)
      return true
    } catch  where error.errno == .wouldBlock {
      return false
    }
  }

  /// Adds one to a semaphore. See `perform(_:timeout:)`.
  public func release(_ index: UInt16 = 0, undo: Bool = false) throws(InterprocessError) {
    try performOne(Operation(index: index, change: 1, undo: undo), nil)
  }

  /// Removes the set at once. Whoever waits on it gets `Errno.identifierRemoved`.
  ///
  /// The corresponding C function is `semctl` with `IPC_RMID`.
  public func remove() throws(InterprocessError) {
    try Self.remove(id, described)
  }

  /// Removes the set with a number, of whatever user's.
  ///
  /// The corresponding C function is `semctl` with `IPC_RMID`. See ``remove()``.
  public static func remove(id: CInt) throws(InterprocessError) {
    try remove(id, "id \(id)")
  }

  private static func remove(_ id: CInt, _ described: String) throws(InterprocessError) {
    try systemCall("semctl", described, remedy: useRemedy) { ci_semctl_value(id, 0, IPC_RMID, 0) }
  }

  private func check(_ operations: [Operation]) throws(InterprocessError) {
    if operations.isEmpty { throw .refused("semop", described, "there are no operations to perform") }
  }

  /// ``perform(_:timeout:)`` without an array.
  @inline(__always)
  private func performOne(_ operation: Operation, _ timeout: Duration?) throws(InterprocessError) {
    var raw = operation.raw(0)
    try Self.perform(&raw, 1, on: id, by: Deadline(timeout), described)
  }

  private static func perform(
    _ operations: [sembuf], on id: CInt, by deadline: Deadline, _ described: String
  ) throws(InterprocessError) {
    var operations = operations
    let count = operations.count
    try perform(&operations, count, on: id, by: deadline, described)
  }

  @inline(__always)
  private static func perform(
    _ operations: UnsafeMutablePointer<sembuf>, _ count: Int, on id: CInt, by deadline: Deadline,
    _ described: @autoclosure () -> String
  ) throws(InterprocessError) {
    let result = valueOrErrno {
      deadline.withRemaining { ci_semtimedop(id, operations, count, $0) }
    }
    guard case .failure(let reason) = result else { return }
    // EAGAIN means both "timed out" and "not possible now".
    let timedOut = reason == .wouldBlock && !deadline.isNever
    throw InterprocessError(
      call: "semop", object: described(), errno: timedOut ? .timedOut : reason, remedy: useRemedy(reason))
  }

  static func useRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .invalidArgument: "there is no such set any more"
    case .identifierRemoved: "the set was removed"
    case .permissionDenied, .notPermitted: "the set's owner and permissions do not let this user"
    case .outOfRange: "a semaphore's value may be 0 to 32767"
    case .fileTooLarge: "the set has no semaphore with this index"
    case .argListTooLong: "more operations at once than kernel.sem allows"
    default: nil
    }
  }
}
