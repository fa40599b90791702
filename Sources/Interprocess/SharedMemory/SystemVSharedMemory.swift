import CInterprocess
import Glibc
public import SystemPackage

/// A System V shared memory segment, attached: memory found by key or number, that stays until it is removed.
///
/// Going out of scope detaches it. ``remove()`` marks it: its key is free at once, and the kernel frees the memory when
/// the last process has detached.
public struct SystemVSharedMemory: ~Copyable, Sendable, MappedMemory {
  /// The kernel's number of the segment, which other processes can open it by.
  public let id: CInt

  /// The memory itself.
  public var mapping: Mapping

  private let described: String

  /// Creates a segment that did not exist before, filled with zeros, and attaches it.
  ///
  /// The corresponding C functions are `shmget` with `IPC_CREAT | IPC_EXCL` and `shmat`.
  ///
  /// - Parameter byteCount: its size in bytes, at least 1 and at most `kernel.shmmax`.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` past `kernel.shmmni` segments or `kernel.shmall` pages.
  public init(
    creating key: SystemVKey, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(creating: .key(key, flags: IPC_CREAT | IPC_EXCL), byteCount, permissions)
  }

  /// Creates a segment without a key, for this process, its children, and whoever is told its ``id``.
  ///
  /// The corresponding C functions are `shmget` with `IPC_PRIVATE` and `shmat`.
  public init(
    byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(creating: .isPrivate, byteCount, permissions)
  }

  /// Attaches a segment that exists, all of it.
  ///
  /// The corresponding C functions are `shmget` and `shmat`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public init(opening key: SystemVKey, readOnly: Bool = false) throws(InterprocessError) {
    let address = SystemVAddress.key(key, flags: 0)
    let id = try Self.get(address, 0, [])
    try self.init(attaching: id, readOnly: readOnly, "\(address.described), id \(id)")
  }

  /// Attaches the segment with a number that its creator was given.
  ///
  /// The corresponding C function is `shmat`.
  ///
  /// - Throws: `Errno.invalidArgument` when there is none; `Errno.permissionDenied`.
  public init(id: CInt, readOnly: Bool = false) throws(InterprocessError) {
    try self.init(attaching: id, readOnly: readOnly, "id \(id)")
  }

  private init(
    creating address: SystemVAddress, _ byteCount: Int, _ permissions: FilePermissions
  ) throws(InterprocessError) {
    guard byteCount > 0 else { throw .refused("shmget", address.described, "\(byteCount) bytes; ask for at least 1") }
    let id = try Self.get(address, byteCount, permissions)
    do {
      try self.init(attaching: id, readOnly: false, "\(address.described), id \(id)")
    } catch {
      shmctl(id, IPC_RMID, nil)
      throw error
    }
  }

  private init(attaching id: CInt, readOnly: Bool, _ described: String) throws(InterprocessError) {
    var status = shmid_ds()
    try systemCall("shmctl", described, remedy: Self.useRemedy) { shmctl(id, IPC_STAT, &status) }
    let address = shmat(id, nil, readOnly ? SHM_RDONLY : 0)
    guard let address, Int(bitPattern: address) != -1 else {
      let reason = Errno.current
      throw InterprocessError(call: "shmat", object: described, errno: reason, remedy: Self.useRemedy(reason))
    }
    mapping = Mapping(adopting: address, byteCount: Int(status.shm_segsz), readOnly: readOnly, isSystemV: true)
    self.id = id
    self.described = described
  }

  private static func get(
    _ address: SystemVAddress, _ byteCount: Int, _ permissions: FilePermissions
  ) throws(InterprocessError) -> CInt {
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .invalidArgument: "\(byteCount) bytes are more than \(KernelParameter("kernel.shmmax").described)"
      case .noSpace:
        "the machine has \(KernelParameter("kernel.shmmni").described) segments or "
          + "\(KernelParameter("kernel.shmall").described) pages; remove some, ipcs -m lists them"
      default: namingRemedy(for: reason, kind: "segment")
      }
    }
    return try systemCall("shmget", address.described, remedy: remedy) {
      shmget(address.key, byteCount, address.flags(permissions))
    }
  }

  private static func useRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .invalidArgument, .identifierRemoved: "there is no such segment any more"
    case .permissionDenied, .notPermitted: "the segment's owner and permissions do not let this user"
    default: nil
    }
  }

  /// Marks the segment for removal: its key is free at once, its memory when the last process has detached.
  ///
  /// The corresponding C function is `shmctl` with `IPC_RMID`. On Linux the segment can still be attached by its ``id``
  /// while somebody has it attached.
  public func remove() throws(InterprocessError) {
    try Self.remove(id, described)
  }

  /// Marks a segment for removal without attaching it. See ``remove()``.
  ///
  /// The corresponding C function is `shmctl` with `IPC_RMID`.
  ///
  /// - Throws: `Errno.notPermitted` for another user's segment; `Errno.identifierRemoved` or `Errno.invalidArgument`
  ///   when it is gone already.
  public static func remove(id: CInt) throws(InterprocessError) {
    try remove(id, "id \(id)")
  }

  private static func remove(_ id: CInt, _ described: String) throws(InterprocessError) {
    try systemCall("shmctl", described, remedy: useRemedy) { shmctl(id, IPC_RMID, nil) }
  }

  /// Gives the memory away; the segment stays.
  public consuming func takeMapping() -> Mapping { mapping }
}
