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

  let described: String

  /// How a segment's memory is to be had, when it is created.
  public struct CreationOptions: OptionSet, Hashable, Sendable {
    public let rawValue: CInt

    public init(rawValue: CInt) { self.rawValue = rawValue }

    /// Reserve no swap space: more can be created than there is memory for, and touching what is not there ends the
    /// process. The corresponding C constant is `SHM_NORESERVE`.
    public static let noReserve = CreationOptions(rawValue: 0o10000)
  }

  /// Creates a segment that did not exist before, filled with zeros, and attaches it.
  ///
  /// The corresponding C functions are `shmget` with `IPC_CREAT | IPC_EXCL` and `shmat`.
  ///
  /// - Parameters:
  ///   - byteCount: its size in bytes, at least 1 and at most `kernel.shmmax`.
  ///   - permissions: who may attach it.
  ///   - hugePages: the size of the huge pages to make it of; `nil` for ordinary pages.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` past `kernel.shmmni` segments or `kernel.shmall` pages;
  ///   `Errno.noMemory` when there are not so many huge pages.
  public init(
    creating key: SystemVKey, byteCount: Int, permissions: FilePermissions = .ownerReadWrite,
    hugePages: HugePageSize? = nil, options: CreationOptions = []
  ) throws(InterprocessError) {
    try self.init(
      creating: .key(key, flags: IPC_CREAT | IPC_EXCL), byteCount, permissions, hugePages, options)
  }

  /// Creates a segment without a key, for this process, its children, and whoever is told its ``id``.
  ///
  /// The corresponding C functions are `shmget` with `IPC_PRIVATE` and `shmat`.
  ///
  /// - Parameters:
  ///   - byteCount: its size in bytes, at least 1 and at most `kernel.shmmax`.
  ///   - permissions: who may attach it.
  ///   - hugePages: the size of the huge pages to make it of; `nil` for ordinary pages.
  /// - Throws: what ``init(creating:byteCount:permissions:hugePages:options:)`` throws, less `Errno.fileExists`.
  public init(
    byteCount: Int, permissions: FilePermissions = .ownerReadWrite,
    hugePages: HugePageSize? = nil, options: CreationOptions = []
  ) throws(InterprocessError) {
    try self.init(creating: .isPrivate, byteCount, permissions, hugePages, options)
  }

  /// Attaches the segment, all of it, creating it if there is none. An existing one keeps its content and size.
  ///
  /// The corresponding C functions are `shmget` with `IPC_CREAT` and `shmat`.
  ///
  /// - Parameters:
  ///   - byteCount: its size in bytes, and how large an existing one has to be at least.
  ///   - permissions: who may attach it if it is created.
  /// - Throws: `Errno.invalidArgument` when the existing one is smaller; `Errno.permissionDenied`; `Errno.noSpace`.
  public init(
    creatingIfAbsent key: SystemVKey, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let address = SystemVAddress.key(key, flags: IPC_CREAT)
    while true {
      let id = try Self.get(address, byteCount, permissions)
      do {
        // If attaching fails the segment stays: somebody else may have created it.
        try self.init(attaching: id, readOnly: false, .anywhere, "\(address.described), id \(id)")
        return
      } catch  where error.errno == .identifierRemoved || error.errno == .invalidArgument {
        // It was removed in between: create it after all.
      }
    }
  }

  /// Attaches a segment that exists, all of it.
  ///
  /// The corresponding C functions are `shmget` and `shmat`.
  ///
  /// - Parameters:
  ///   - readOnly: whether it may only be read (`SHM_RDONLY`).
  ///   - placement: at which address.
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when it cannot be placed
  ///   there.
  public init(
    opening key: SystemVKey, readOnly: Bool = false, placement: Placement = .anywhere
  ) throws(InterprocessError) {
    let address = SystemVAddress.key(key, flags: 0)
    let id = try Self.get(address, 0, [])
    try self.init(attaching: id, readOnly: readOnly, placement, "\(address.described), id \(id)")
  }

  /// Attaches the segment with a number that its creator was given.
  ///
  /// The corresponding C function is `shmat`.
  ///
  /// - Parameters:
  ///   - readOnly: whether it may only be read (`SHM_RDONLY`).
  ///   - placement: at which address.
  /// - Throws: `Errno.invalidArgument` when there is none, or it cannot be placed there; `Errno.permissionDenied`.
  public init(id: CInt, readOnly: Bool = false, placement: Placement = .anywhere) throws(InterprocessError) {
    try self.init(attaching: id, readOnly: readOnly, placement, "id \(id)")
  }

  private init(
    creating address: SystemVAddress, _ byteCount: Int, _ permissions: FilePermissions, _ hugePages: HugePageSize?,
    _ options: CreationOptions
  ) throws(InterprocessError) {
    let id = try Self.get(address, byteCount, permissions, hugePages, options)
    do {
      try self.init(attaching: id, readOnly: false, .anywhere, "\(address.described), id \(id)")
    } catch {
      shmctl(id, IPC_RMID, nil)
      throw error
    }
  }

  private init(
    attaching id: CInt, readOnly: Bool, _ placement: Placement, _ described: String
  ) throws(InterprocessError) {
    let status = try Self.kernelStatus(of: id, described)
    let address = shmat(id, placement.address, (readOnly ? SHM_RDONLY : 0) | placement.flags)
    guard let address, Int(bitPattern: address) != -1 else {
      let reason = Errno.current
      throw InterprocessError(
        call: "shmat", object: described, errno: reason, remedy: placement.remedy(for: reason) ?? Self.useRemedy(reason)
      )
    }
    mapping = Mapping(adopting: address, byteCount: Int(status.shm_segsz), readOnly: readOnly, isSystemV: true)
    self.id = id
    self.described = described
  }

  private static func get(
    _ address: SystemVAddress, _ byteCount: Int, _ permissions: FilePermissions, _ hugePages: HugePageSize? = nil,
    _ options: CreationOptions = []
  ) throws(InterprocessError) -> CInt {
    let isOpening = address.flags([]) & IPC_CREAT == 0
    guard byteCount > 0 || isOpening else {
      throw .refused("shmget", address.described, "\(byteCount) bytes; ask for at least 1")
    }
    let huge = hugePages.map { SystemVSharedMemory.hugePagesFlag | $0.flags } ?? 0
    func remedy(_ reason: Errno) -> String? {
      if let remedy = hugePages?.remedy(for: reason) { return remedy }
      switch reason {
      case .invalidArgument:
        return "\(byteCount) bytes are more than the segment has, or than \(KernelParameter("kernel.shmmax").described)"
      case .noSpace:
        return "the machine has \(KernelParameter("kernel.shmmni").described) segments or "
          + "\(KernelParameter("kernel.shmall").described) pages; remove some, ipcs -m lists them"
      default: return namingRemedy(for: reason, kind: "segment")
      }
    }
    return try systemCall("shmget", address.described, remedy: remedy) {
      shmget(address.key, byteCount, address.flags(permissions) | huge | options.rawValue)
    }
  }

  private static let hugePagesFlag: CInt = 0o4000  // SHM_HUGETLB

  static func useRemedy(_ reason: Errno) -> String? {
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
