import CInterprocess
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

  /// The memory's descriptor, for example to pass to a process that may not open the name.
  public let descriptor: OwnedDescriptor

  /// The memory itself.
  public var mapping: Mapping

  /// Creates memory that did not exist before, filled with zeros.
  ///
  /// The corresponding C functions are `shm_open` with `O_CREAT | O_EXCL`, `ftruncate`, `fallocate` and `mmap`. When one
  /// of them fails the name is removed again.
  ///
  /// - Parameters:
  ///   - name: one slash and up to 255 bytes without another.
  ///   - byteCount: its size in bytes, at least 1.
  ///   - permissions: who may open it, less the process's umask.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` when `/dev/shm` is full.
  public init(
    creating name: String, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let memory = try Self.open(name, O_RDWR | O_CREAT | O_EXCL, permissions)
    do {
      try memory.allocate(byteCount, "\"\(name)\"")
      mapping = try Mapping(of: memory, byteCount: byteCount, readOnly: false, "\"\(name)\"")
    } catch {
      shm_unlink(name)
      throw error
    }
    self.name = name
    descriptor = memory
  }

  /// Opens the memory, all of it, creating it if there is none. An existing one keeps its content, and grows if it is
  /// smaller.
  ///
  /// Processes that do so at once all get the same memory, at least as large as the largest of them asked for. Who came
  /// first is not told; what has to be initialised once belongs behind a lock or an atomic in the memory.
  ///
  /// The corresponding C functions are `shm_open` with `O_CREAT`, `fallocate` and `mmap`.
  ///
  /// - Parameters:
  ///   - name: one slash and up to 255 bytes without another.
  ///   - byteCount: how large it has to be at least, in bytes; 1 or more.
  ///   - permissions: who may open it if it is created, less the process's umask.
  /// - Throws: `Errno.noSpace` when `/dev/shm` is full; `Errno.permissionDenied`.
  public init(
    creatingIfAbsent name: String, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    while true {
      do {
        try self.init(creating: name, byteCount: byteCount, permissions: permissions)
        return
      } catch  where error.errno == .fileExists {
        // Somebody else creates it, or did.
      }
      do {
        try self.init(openingAtLeast: byteCount, name)
        return
      } catch  where error.errno == .noSuchFileOrDirectory {
        // It was unlinked meanwhile: create it after all.
      }
    }
  }

  private init(openingAtLeast byteCount: Int, _ name: String) throws(InterprocessError) {
    let memory = try Self.open(name, O_RDWR, [])
    if try memory.size("\"\(name)\"") < byteCount { try memory.allocate(byteCount, "\"\(name)\"") }
    let whole = try memory.size("\"\(name)\"")
    mapping = try Mapping(of: memory, byteCount: whole, readOnly: false, "\"\(name)\"")
    self.name = name
    descriptor = memory
  }

  /// Opens memory that exists, all of it.
  ///
  /// The corresponding C functions are `shm_open` and `mmap`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when its creator has not
  ///   given it a size yet.
  public init(opening name: String, readOnly: Bool = false) throws(InterprocessError) {
    let memory = try Self.open(name, readOnly ? O_RDONLY : O_RDWR, [])
    let byteCount = try memory.size("\"\(name)\"")
    mapping = try Mapping(of: memory, byteCount: byteCount, readOnly: readOnly, "\"\(name)\"")
    self.name = name
    descriptor = memory
  }

  private static func open(
    _ name: String, _ flags: CInt, _ permissions: FilePermissions
  ) throws(InterprocessError) -> OwnedDescriptor {
    let checked = try ObjectName(checking: name, for: "shm_open")
    let memory = OwnedDescriptor(
      adopting: try systemCall("shm_open", checked.quoted, remedy: naming("shared memory")) {
        // Of a FIFO that somebody has put into /dev/shm, opening would wait for its other end.
        let opened = shm_open(name, flags | O_CLOEXEC | O_NONBLOCK, permissions.rawValue)
        if opened >= 0 || Errno.current != .wouldBlock { return opened }
        // Somebody has a lease on it, as files can have that are no FIFO: that is waited for.
        return shm_open(name, flags | O_CLOEXEC, permissions.rawValue)
      })
    guard try memory.status(checked.quoted).type == .regular else {
      throw .refused("shm_open", checked.quoted, "what is there in /dev/shm is no memory")
    }
    return memory
  }

  /// Size, owner, mode and times of the memory, whoever changed them last.
  ///
  /// The corresponding C function is `fstat`.
  public func status() throws(InterprocessError) -> Stat {
    try descriptor.status("\"\(name)\"")
  }

  /// Gives the memory another size, and maps it anew. What is added is filled with zeros and allocated at once.
  ///
  /// Other processes go on with what they have mapped: of what was added they see nothing before they call
  /// ``followSize()``, and **touching what was cut off ends them with SIGBUS**, so shrink only what nobody else uses.
  /// Advice and locks in RAM do not carry over, and locks that lie in what was cut off are gone.
  ///
  /// The corresponding C functions are `fallocate` or `ftruncate`, and `mmap`.
  ///
  /// - Parameter byteCount: the new size in bytes, at least 1.
  /// - Throws: `Errno.noSpace`; `Errno.badFileDescriptor` or `Errno.invalidArgument` when it was opened read-only. It
  ///   has its old size then.
  public mutating func resize(to byteCount: Int) throws(InterprocessError) {
    try mapping.resize(descriptor, to: byteCount, "\"\(name)\"")
  }

  /// Maps as much of the memory as there is now, after another process has resized it.
  ///
  /// The corresponding C functions are `fstat` and `mmap`.
  public mutating func followSize() throws(InterprocessError) {
    try mapping.followSize(of: descriptor, "\"\(name)\"")
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
