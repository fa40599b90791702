import CInterprocess
import Glibc
public import SystemPackage

/// A file mapped into memory and shared: what one process writes there, every other one that maps it reads, and it
/// ends up on disk.
public struct MappedFile: ~Copyable, Sendable, MappedMemory {
  public let path: FilePath

  /// The file's content.
  public var mapping: Mapping

  private let descriptor: OwnedDescriptor

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

  /// Maps a file that exists, all of it.
  ///
  /// The corresponding C functions are `open` and `mmap`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when it is empty.
  public init(opening path: FilePath, readOnly: Bool = false) throws(InterprocessError) {
    let file = try OwnedDescriptor(openingFile: path, readOnly ? O_RDONLY : O_RDWR)
    let byteCount = try file.size("\"\(path)\"")
    mapping = try Mapping(of: file, byteCount: byteCount, readOnly: readOnly, "\"\(path)\"")
    self.path = path
    descriptor = file
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
