import Glibc
public import SystemPackage

/// POSIX shared memory: memory with a name, found by any process, that stays until it is unlinked.
///
/// Opening, closing and unlinking are separate: memory that goes out of scope is unmapped, and keeps its name and
/// content; ``unlink(_:)`` removes the name, and the kernel frees the memory once nobody maps it.
///
/// All of it is allocated when it is created, so that a full `/dev/shm` is `Errno.noSpace` and not a crash later.
public struct POSIXSharedMemory: ~Copyable, Sendable, MappedMemory {
  /// The memory's name, with its slash.
  public let name: String

  /// The memory itself.
  public var mapping: Mapping

  /// Creates memory that did not exist before, filled with zeros.
  ///
  /// The corresponding C functions are `shm_open` with `O_CREAT | O_EXCL`, `ftruncate`, `fallocate` and `mmap`. When one
  /// of them fails the name is removed again.
  ///
  /// - Parameters:
  ///   - name: one slash and up to 250 bytes without another.
  ///   - byteCount: its size in bytes, at least 1.
  ///   - permissions: who may open it, less the process's umask.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` when `/dev/shm` is full.
  public init(
    creating name: String, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let descriptor = try Self.open(name, O_RDWR | O_CREAT | O_EXCL, permissions)
    do {
      try descriptor.allocate(byteCount, "\"\(name)\"")
      mapping = try Mapping(of: descriptor, byteCount: byteCount, readOnly: false, "\"\(name)\"")
    } catch {
      shm_unlink(name)
      throw error
    }
    self.name = name
  }

  /// Opens memory that exists, all of it.
  ///
  /// The corresponding C functions are `shm_open` and `mmap`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when its creator has not
  ///   given it a size yet.
  public init(opening name: String, readOnly: Bool = false) throws(InterprocessError) {
    let descriptor = try Self.open(name, readOnly ? O_RDONLY : O_RDWR, [])
    let byteCount = try descriptor.size("\"\(name)\"")
    mapping = try Mapping(of: descriptor, byteCount: byteCount, readOnly: readOnly, "\"\(name)\"")
    self.name = name
  }

  private static func open(
    _ name: String, _ flags: CInt, _ permissions: FilePermissions
  ) throws(InterprocessError) -> OwnedDescriptor {
    let checked = try ObjectName(checking: name, for: "shm_open")
    return OwnedDescriptor(
      adopting: try systemCall(
        "shm_open", checked.quoted,
        remedy: naming("shared memory")
      ) {
        shm_open(name, flags | O_CLOEXEC, permissions.rawValue)
      })
  }

  /// Gives the memory away; the name stays.
  public consuming func takeMapping() -> Mapping { mapping }

  /// Removes a name. Whoever has the memory mapped goes on using it.
  ///
  /// The corresponding C function is `shm_unlink`.
  public static func unlink(_ name: String) throws(InterprocessError) {
    let checked = try ObjectName(checking: name, for: "shm_unlink")
    try systemCall("shm_unlink", checked.quoted, remedy: naming("shared memory")) {
      shm_unlink(name)
    }
  }
}
