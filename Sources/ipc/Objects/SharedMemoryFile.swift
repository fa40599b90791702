import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// A file of `/dev/shm`, where glibc keeps POSIX shared memory, and POSIX semaphores as `sem.NAME`.
struct SharedMemoryFile {
  static let directory = "/dev/shm"

  let kind: ObjectKind
  /// With its slash.
  let name: String
  let status: stat

  private static let semaphorePrefix = "sem."

  /// - Returns: `nil` for what is no regular file, or a semaphore's without a name.
  init?(entry: String) {
    var status = stat()
    guard lstat("\(Self.directory)/\(entry)", &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      entry != Self.semaphorePrefix
    else { return nil }
    let isSemaphore = entry.hasPrefix(Self.semaphorePrefix)
    kind = isSemaphore ? .posixSemaphore : .posixSharedMemory
    name = "/" + (isSemaphore ? entry.dropFirst(Self.semaphorePrefix.count) : entry[...])
    self.status = status
  }

  static func path(of kind: ObjectKind, _ name: String) -> String {
    "\(directory)/\(kind == .posixSemaphore ? semaphorePrefix : "")\(name.dropFirst())"
  }

  /// Opens the file of an object, without waiting for one that has a lease on it.
  static func open(_ kind: ObjectKind, _ name: String) throws(Errno) -> OwnedDescriptor {
    // Anybody may put a FIFO there, and opening that would wait.
    let descriptor = Glibc.open(path(of: kind, name), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
    if descriptor == -1 { throw Errno(rawValue: errno) }
    return OwnedDescriptor(adopting: descriptor)
  }
}
