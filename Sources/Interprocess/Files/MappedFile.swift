import CInterprocess
import Glibc
public import SystemPackage

/// A file mapped into memory and shared: what one process writes there, every other one that maps it reads, and it
/// ends up on disk: when the kernel sees fit, or at the latest when ``Mapping/sync(_:in:)`` has returned.
///
/// Another program that truncates the file under its readers ends them with SIGBUS.
public struct MappedFile: ~Copyable, Sendable, MappedMemory {
  public let path: FilePath

  /// The file's content.
  public var mapping: Mapping

  /// The file's descriptor, open for as long as the file is mapped here.
  public let descriptor: OwnedDescriptor

  /// Creates a file that did not exist before, filled with zeros, and maps it.
  ///
  /// The corresponding C functions are `open` with `O_CREAT | O_EXCL`, `ftruncate`, `fallocate` and `mmap`. When one of
  /// them fails the file is removed again.
  ///
  /// - Parameter byteCount: its size in bytes, at least 1, allocated at once.
  /// - Throws: `Errno.fileExists`; `Errno.noSpace`.
  public init(
    creating path: FilePath, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let file = try OwnedDescriptor(openingFile: path, O_RDWR | O_CREAT | O_EXCL, permissions)
    do {
      try file.allocate(byteCount, "\"\(path)\"")
      mapping = try Mapping(of: file, byteCount: byteCount, readOnly: false, "\"\(path)\"")
    } catch {
      _ = path.withPlatformString { Glibc.unlink($0) }
      throw error
    }
    self.path = path
    descriptor = file
  }

  /// Maps the file, all of it, creating it if there is none. An existing one keeps its content, and grows if it is
  /// smaller.
  ///
  /// The corresponding C functions are `open` with `O_CREAT`, `fallocate` and `mmap`.
  ///
  /// - Parameter byteCount: how large it has to be at least, in bytes; 1 or more.
  /// - Throws: `Errno.noSpace`, `Errno.permissionDenied`. A file that was created for it stays, since another process
  ///   may have it open by then.
  public init(
    creatingIfAbsent path: FilePath, byteCount: Int, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    let file = try OwnedDescriptor(openingFile: path, O_RDWR | O_CREAT, permissions)
    if try file.size("\"\(path)\"") < byteCount { try file.allocate(byteCount, "\"\(path)\"") }
    let whole = try file.size("\"\(path)\"")
    mapping = try Mapping(of: file, byteCount: whole, readOnly: false, "\"\(path)\"")
    self.path = path
    descriptor = file
  }

  /// Maps a file that exists, all of it.
  ///
  /// The corresponding C functions are `open` and `mmap`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when it is empty.
  public init(opening path: FilePath, readOnly: Bool = false) throws(InterprocessError) {
    // Of a FIFO that somebody has put there, opening would wait for a writer.
    let file = try OwnedDescriptor(openingFile: path, (readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK)
    let byteCount = try file.size("\"\(path)\"")
    mapping = try Mapping(of: file, byteCount: byteCount, readOnly: readOnly, "\"\(path)\"")
    self.path = path
    descriptor = file
  }

  /// Size, owner, mode and times of the file, whoever changed them last.
  ///
  /// The corresponding C function is `fstat`.
  public func status() throws(InterprocessError) -> Stat {
    try descriptor.status("\"\(path)\"")
  }

  /// Gives the file another size, and maps it anew. What is added is filled with zeros and allocated at once.
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
    try mapping.resize(descriptor, to: byteCount, "\"\(path)\"")
  }

  /// Maps as much of the file as there is now, after another process has resized it.
  ///
  /// The corresponding C functions are `fstat` and `mmap`.
  public mutating func followSize() throws(InterprocessError) {
    try mapping.followSize(of: descriptor, "\"\(path)\"")
  }

  /// Gives the memory away; the file stays, and is closed.
  public consuming func takeMapping() -> Mapping { mapping }
}

extension OwnedDescriptor {
  /// Opens a file, to be closed in programs that this one executes.
  init(
    openingFile path: FilePath, _ flags: CInt, _ permissions: FilePermissions = []
  ) throws(InterprocessError) {
    self.init(
      adopting: try systemCall(
        "open", "\"\(path)\"", remedy: naming("file")
      ) {
        path.withPlatformString { ci_open($0, flags | O_CLOEXEC, permissions.rawValue) }
      })
  }
}
