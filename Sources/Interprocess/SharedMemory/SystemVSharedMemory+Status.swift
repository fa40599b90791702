import CInterprocess
import Glibc
import SystemPackage

extension SystemVSharedMemory {
  /// All that the kernel tells of a segment, as it was at one moment.
  public struct Status: Hashable, Sendable {
    /// Its size in bytes, as its creator asked for it.
    public let byteCount: Int
    /// Its owner, creator, mode and key.
    public let permissions: SystemVPermissions
    /// How many times it is attached now, by all processes.
    public let attachCount: Int
    /// The process that created it; it may be gone, and its number somebody else's.
    public let creatorID: CInt
    /// The process that attached or detached it last; `nil` when none has.
    public let lastUserID: CInt?
    /// When it was attached last, in seconds since 1970; `nil` when it never was.
    public let lastAttached: Int?
    /// When it was detached last, in seconds since 1970; `nil` when it never was.
    public let lastDetached: Int?
    /// When it was created or its owner or mode changed last, in seconds since 1970.
    public let lastChanged: Int
    /// Whether it was removed, and goes with the last process that detaches it (`SHM_DEST`).
    public let isMarkedForRemoval: Bool
    /// Whether it stays in RAM (`SHM_LOCKED`).
    public let isLockedInRAM: Bool

    init(_ raw: shmid_ds) {
      func time(_ seconds: time_t) -> time_t? { seconds == 0 ? nil : seconds }
      byteCount = Int(raw.shm_segsz)
      permissions = SystemVPermissions(raw.shm_perm)
      attachCount = Int(raw.shm_nattch)
      creatorID = raw.shm_cpid
      lastUserID = raw.shm_lpid == 0 ? nil : raw.shm_lpid
      lastAttached = time(raw.shm_atime)
      lastDetached = time(raw.shm_dtime)
      lastChanged = raw.shm_ctime
      isMarkedForRemoval = raw.shm_perm.mode & 0o1000 != 0
      isLockedInRAM = raw.shm_perm.mode & 0o2000 != 0
    }
  }

  /// All that the kernel tells of the segment.
  ///
  /// The corresponding C function is `shmctl` with `IPC_STAT`.
  ///
  /// - Throws: `Errno.permissionDenied` when its mode does not let this user read it.
  public func status() throws(InterprocessError) -> Status {
    Status(try Self.kernelStatus(of: id, described))
  }

  /// Gives the segment another owner, group or mode: those of `permissions`, whose other fields are not looked at.
  ///
  /// The corresponding C function is `shmctl` with `IPC_SET`.
  ///
  /// - Throws: `Errno.notPermitted` when this user neither owns nor created it.
  public func setPermissions(_ permissions: SystemVPermissions) throws(InterprocessError) {
    var raw = try Self.kernelStatus(of: id, described)
    permissions.store(in: &raw.shm_perm)
    try systemCall("shmctl", described, remedy: Self.useRemedy) { shmctl(id, IPC_SET, &raw) }
  }

  /// Keeps the segment in RAM, for all processes and until ``unlockFromRAM()``. ``Mapping/lockInRAM(in:)`` does so for as
  /// long as this process has it attached, and reads it in.
  ///
  /// The corresponding C function is `shmctl` with `SHM_LOCK`.
  ///
  /// - Throws: `Errno.notPermitted` when this user neither owns nor created it, or may lock no memory; `Errno.noMemory`
  ///   past `RLIMIT_MEMLOCK`.
  public func lockInRAM() throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      let limit = ResourceLimit.lockedMemoryBytes.current
      // EPERM means both: the limit is 0, or the segment is another user's.
      guard reason == .noMemory || reason == .notPermitted && limit == 0 else { return Self.useRemedy(reason) }
      let described = limit.map { " (\($0))" } ?? ""
      return "this user may lock no more; raise RLIMIT_MEMLOCK\(described) with ulimit -l"
    }
    try systemCall("shmctl", described, remedy: remedy) { shmctl(id, SHM_LOCK, nil) }
  }

  /// Lets the segment be swapped out again.
  ///
  /// The corresponding C function is `shmctl` with `SHM_UNLOCK`.
  public func unlockFromRAM() throws(InterprocessError) {
    try systemCall("shmctl", described, remedy: Self.useRemedy) { shmctl(id, SHM_UNLOCK, nil) }
  }

  static func kernelStatus(of id: CInt, _ described: @autoclosure () -> String) throws(InterprocessError) -> shmid_ds {
    var status = shmid_ds()
    try systemCall("shmctl", described(), remedy: useRemedy) { shmctl(id, IPC_STAT, &status) }
    return status
  }
}
