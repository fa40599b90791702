import CInterprocess
import Glibc
import SystemPackage

extension SystemVMessageQueue {
  /// What the kernel keeps about a queue (`msqid_ds`).
  public struct Status: Hashable, Sendable {
    /// Owner, creator and mode.
    public let permissions: SystemVPermissions
    /// How many messages wait.
    public let messages: Int
    /// How many bytes the waiting messages have.
    public let bytes: Int
    /// How many bytes may wait before sending does (`msg_qbytes`).
    public let maximumBytes: Int
    /// The process that sent last; `nil` when none has.
    public let lastSenderID: CInt?
    /// The process that received last; `nil` when none has.
    public let lastReceiverID: CInt?
    /// When the last message was sent, in seconds since 1970; `nil` when none was.
    public let lastSent: Int?
    /// When the last message was received, in seconds since 1970; `nil` when none was.
    public let lastReceived: Int?
    /// When the queue was created or its settings last changed, in seconds since 1970.
    public let lastChanged: Int

    fileprivate init(_ status: msqid_ds) {
      permissions = SystemVPermissions(status.msg_perm)
      messages = Int(status.msg_qnum)
      bytes = Int(status.__msg_cbytes)
      maximumBytes = Int(status.msg_qbytes)
      lastSenderID = status.msg_lspid == 0 ? nil : status.msg_lspid
      lastReceiverID = status.msg_lrpid == 0 ? nil : status.msg_lrpid
      lastSent = status.msg_stime == 0 ? nil : status.msg_stime
      lastReceived = status.msg_rtime == 0 ? nil : status.msg_rtime
      lastChanged = status.msg_ctime
    }
  }

  /// What the kernel keeps about the queue.
  ///
  /// The corresponding C function is `msgctl` with `IPC_STAT`.
  public func status() throws(InterprocessError) -> Status {
    Status(try rawStatus())
  }

  /// Changes owner, group and mode.
  ///
  /// The corresponding C function is `msgctl` with `IPC_SET`.
  ///
  /// - Parameter permissions: those of ``status()``, changed.
  /// - Throws: `Errno.notPermitted` for another user's queue.
  public func setPermissions(_ permissions: SystemVPermissions) throws(InterprocessError) {
    var status = try rawStatus()
    permissions.store(in: &status.msg_perm)
    try set(status)
  }

  /// Changes how many bytes may wait before sending does.
  ///
  /// The corresponding C function is `msgctl` with `IPC_SET`.
  ///
  /// - Throws: `Errno.notPermitted` above `kernel.msgmnb` for who is not the superuser, and for another user's queue.
  public func setMaximumBytes(_ maximumBytes: Int) throws(InterprocessError) {
    guard maximumBytes >= 0 else { throw .refused("msgctl", described, "\(maximumBytes) bytes; ask for 0 or more") }
    var status = try rawStatus()
    status.msg_qbytes = msglen_t(maximumBytes)
    let most = KernelParameter("kernel.msgmnb")
    func remedy(_ reason: Errno) -> String? {
      guard reason == .notPermitted, let value = most.value, maximumBytes > value else { return nil }
      return "only the superuser goes above \(most.described)"
    }
    try set(status, remedy)
  }

  private func set(
    _ status: msqid_ds, _ remedy: (Errno) -> String? = { _ in nil }
  ) throws(InterprocessError) {
    var new = status
    func either(_ reason: Errno) -> String? { remedy(reason) ?? Self.statusRemedy(reason) }
    try systemCall("msgctl", described, remedy: either) { msgctl(id, IPC_SET, &new) }
  }

  private func rawStatus() throws(InterprocessError) -> msqid_ds {
    var status = msqid_ds()
    try systemCall("msgctl", described, remedy: Self.statusRemedy) { msgctl(id, IPC_STAT, &status) }
    return status
  }
}
