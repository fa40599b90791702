import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// The file that a report goes to. It is made before anything is measured, so that one that cannot be is said at once.
struct HTMLFile {
  private let path: String
  private let descriptor: FileDescriptor

  init(creating path: String) throws {
    do {
      descriptor = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: [.create, .truncate], permissions: FilePermissions(rawValue: 0o644))
    } catch let error as Errno {
      throw InterprocessError(call: "open", object: path, errno: error)
    }
    self.path = path
  }

  func write(_ text: String) throws {
    do {
      try descriptor.writeAll(text.utf8)
      try descriptor.close()
    } catch let error as Errno {
      throw InterprocessError(call: "write", object: path, errno: error)
    }
  }
}
