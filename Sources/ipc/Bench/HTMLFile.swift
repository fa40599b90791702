import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The file that a report goes to. It is opened before anything is measured, so that one that cannot be is said at once;
/// a report that is there stays until there is another.
struct HTMLFile: ~Copyable {
  private let path: String
  private let descriptor: FileDescriptor
  private var isWanted: Bool

  init(opening path: String) throws {
    // A link is somebody's, wherever it leads.
    var status = stat()
    isWanted = lstat(path, &status) == 0
    do {
      descriptor = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: .create, permissions: FilePermissions(rawValue: 0o644))
    } catch let error as Errno {
      throw InterprocessError(call: "open", object: path, errno: error)
    }
    self.path = path
  }

  mutating func write(_ text: String) throws {
    isWanted = true
    do {
      // A terminal or a pipe has no length.
      if ftruncate(descriptor.rawValue, 0) == -1, errno != EINVAL { throw Errno(rawValue: errno) }
      try descriptor.writeAll(text.utf8)
    } catch let error as Errno {
      throw InterprocessError(call: "write", object: path, errno: error)
    }
  }

  deinit {
    if !isWanted { unlink(path) }
    try? descriptor.close()
  }
}
