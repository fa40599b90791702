import Glibc

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
    public let lastSender: CInt?
    /// The process that received last; `nil` when none has.
    public let lastReceiver: CInt?
    /// When the last message was sent, in seconds since 1970; `nil` when none was.
    public let lastSent: Int?
    /// When the last message was received, in seconds since 1970; `nil` when none was.
    public let lastReceived: Int?
    /// When the queue was created or last changed by ``SystemVMessageQueue/set(_:maximumBytes:)``, in seconds since 1970.
    public let lastChanged: Int

    fileprivate init(_ status: msqid_ds) {
      permissions = SystemVPermissions(status.msg_perm)
      messages = Int(status.msg_qnum)
      bytes = Int(status.__msg_cbytes)
      maximumBytes = Int(status.msg_qbytes)
      lastSender = status.msg_lspid == 0 ? nil : status.msg_lspid
      lastReceiver = status.msg_lrpid == 0 ? nil : status.msg_lrpid
      lastSent = status.msg_stime == 0 ? nil : status.msg_stime
      lastReceived = status.msg_rtime == 0 ? nil : status.msg_rtime
      lastChanged = status.msg_ctime
    }
  }

  /// What the kernel keeps about the queue.
  ///
  /// The corresponding C function is `msgctl` with `IPC_STAT`.
  public var status: Status {
    get throws(InterprocessError) { Status(try rawStatus()) }
  }

  /// Changes owner, group and mode, and how many bytes may wait.
  ///
  /// The corresponding C function is `msgctl` with `IPC_SET`.
  ///
  /// - Parameters:
  ///   - permissions: those of ``status``, changed; `nil` leaves them.
  ///   - maximumBytes: above `kernel.msgmnb` only for the superuser; `nil` leaves it.
  /// - Throws: `Errno.notPermitted` for another user's queue, or past the limit.
  public func set(
    _ permissions: SystemVPermissions? = nil, maximumBytes: Int? = nil
  ) throws(InterprocessError) {
    var status = try rawStatus()
    permissions?.store(in: &status.msg_perm)
    if let maximumBytes {
      guard maximumBytes >= 0 else { throw .refused("msgctl", described, "\(maximumBytes) bytes") }
      status.msg_qbytes = msglen_t(maximumBytes)
    }
    try systemCall("msgctl", described, remedy: Self.statusRemedy) { msgctl(id, IPC_SET, &status) }
  }

  private func rawStatus() throws(InterprocessError) -> msqid_ds {
    var status = msqid_ds()
    try systemCall("msgctl", described, remedy: Self.statusRemedy) { msgctl(id, IPC_STAT, &status) }
    return status
  }
}
