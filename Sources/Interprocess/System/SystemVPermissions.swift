import CInterprocess
import Glibc
public import SystemPackage

/// Whose a System V queue, segment or semaphore set is, and who may use it.
///
/// The owner and the creator may change it and remove it, whatever ``mode`` says; the creator is for ever who made it.
public struct SystemVPermissions: Hashable, Sendable {
  /// The user who owns the object, first its creator.
  public var owner: UInt32

  /// The owner's group.
  public var group: UInt32

  /// The user who created the object.
  public let creator: UInt32

  /// The creator's group.
  public let creatorGroup: UInt32

  /// Who may read and write: the bits `0o666`. Execution means nothing here.
  public var mode: FilePermissions

  /// What the object is found by; `nil` where it is private, or is marked for removal and has lost its key.
  public let key: SystemVKey?

  /// The kernel's answer to `IPC_STAT`. Flags that the kernel keeps beside the mode (`SHM_DEST`, `SHM_LOCKED`) are left
  /// out.
  init(_ permissions: ipc_perm) {
    owner = permissions.uid
    group = permissions.gid
    creator = permissions.cuid
    creatorGroup = permissions.cgid
    mode = FilePermissions(rawValue: CInterop.Mode(permissions.mode) & 0o777)
    key = SystemVKey(rawValue: permissions.__key)
  }

  /// Puts the three fields that `IPC_SET` changes into the kernel's structure.
  func store(in permissions: inout ipc_perm) {
    permissions.uid = owner
    permissions.gid = group
    permissions.mode = .init(truncatingIfNeeded: mode.rawValue & 0o777)
  }
}
