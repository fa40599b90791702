import CInterprocess
import Glibc
import SystemPackage

extension SystemVSemaphoreSet {
  /// What the kernel keeps about a set (`semid_ds`).
  public struct Status: Hashable, Sendable {
    /// Owner, creator and mode.
    public let permissions: SystemVPermissions
    /// How many semaphores it has.
    public let count: Int
    /// When the last operation was performed, in seconds since 1970; `nil` when none was.
    public let lastOperation: Int?
    /// When the set was created, or a value or its permissions last set, in seconds since 1970.
    public let lastChanged: Int

    fileprivate init(_ status: semid_ds) {
      permissions = SystemVPermissions(status.sem_perm)
      count = Int(status.sem_nsems)
      lastOperation = status.sem_otime == 0 ? nil : status.sem_otime
      lastChanged = status.sem_ctime
    }
  }

  /// What the kernel keeps about the set.
  ///
  /// The corresponding C function is `semctl` with `IPC_STAT`.
  public var status: Status {
    get throws(InterprocessError) { Status(try Self.status(id, described)) }
  }

  /// Changes owner, group and mode.
  ///
  /// The corresponding C function is `semctl` with `IPC_SET`.
  ///
  /// - Parameter permissions: those of ``status``, changed.
  /// - Throws: `Errno.notPermitted` for another user's set.
  public func set(_ permissions: SystemVPermissions) throws(InterprocessError) {
    var status = try Self.status(id, described)
    permissions.store(in: &status.sem_perm)
    try systemCall("semctl", described, remedy: Self.useRemedy) { ci_semctl_status(id, IPC_SET, &status) }
  }

  /// The value of one semaphore now.
  ///
  /// The corresponding C function is `semctl` with `GETVAL`.
  ///
  /// - Throws: `Errno.invalidArgument` for an index that the set does not have.
  public func value(at index: UInt16 = 0) throws(InterprocessError) -> Int {
    try number(GETVAL, at: index)
  }

  /// The values of all semaphores now, in one look.
  ///
  /// The corresponding C function is `semctl` with `GETALL`.
  public var values: [UInt16] {
    get throws(InterprocessError) {
      var values = [UInt16](repeating: 0, count: count)
      try systemCall("semctl", described, remedy: Self.useRemedy) { ci_semctl_values(id, GETALL, &values) }
      return values
    }
  }

  /// Sets one semaphore's value, whatever it was. Whoever waits for it goes on; what undo would take back is forgotten.
  ///
  /// The corresponding C function is `semctl` with `SETVAL`.
  ///
  /// - Throws: `Errno.outOfRange` above 32767.
  public func setValue(_ value: UInt16, at index: UInt16 = 0) throws(InterprocessError) {
    try checkIndex(index)
    try systemCall("semctl", described, remedy: Self.useRemedy) {
      ci_semctl_value(id, CInt(index), SETVAL, CInt(value))
    }
  }

  /// Sets all values at once. See ``setValue(_:at:)``.
  ///
  /// The corresponding C function is `semctl` with `SETALL`.
  ///
  /// - Throws: `Errno.invalidArgument` unless there are as many values as semaphores; `Errno.outOfRange` above 32767.
  public func setValues(_ values: [UInt16]) throws(InterprocessError) {
    guard values.count == count else {
      throw .refused("semctl", described, "\(values.count) values for \(count) semaphores")
    }
    var values = values
    try systemCall("semctl", described, remedy: Self.useRemedy) { ci_semctl_values(id, SETALL, &values) }
  }

  /// How many processes wait for a semaphore's value to grow.
  ///
  /// The corresponding C function is `semctl` with `GETNCNT`.
  public func waitingForIncrease(at index: UInt16 = 0) throws(InterprocessError) -> Int {
    try number(GETNCNT, at: index)
  }

  /// How many processes wait for a semaphore's value to be 0.
  ///
  /// The corresponding C function is `semctl` with `GETZCNT`.
  public func waitingForZero(at index: UInt16 = 0) throws(InterprocessError) -> Int {
    try number(GETZCNT, at: index)
  }

  /// The process that last changed a semaphore; `nil` when none has.
  ///
  /// The corresponding C function is `semctl` with `GETPID`.
  public func lastProcess(at index: UInt16 = 0) throws(InterprocessError) -> CInt? {
    let process = try number(GETPID, at: index)
    return process == 0 ? nil : CInt(process)
  }

  private func number(_ command: CInt, at index: UInt16) throws(InterprocessError) -> Int {
    try checkIndex(index)
    return Int(
      try systemCall("semctl", described, remedy: Self.useRemedy) { ci_semctl_value(id, CInt(index), command, 0) })
  }

  /// The kernel says EINVAL to this and to a set that is gone.
  private func checkIndex(_ index: UInt16) throws(InterprocessError) {
    guard index < count else {
      throw .refused("semctl", "\(described), index \(index)", "the set has \(count) semaphores, numbered from 0")
    }
  }
}
