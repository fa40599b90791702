import CInterprocess
import Glibc
import SystemPackage

/// A path that a server which has died left behind.
enum DeadServer {
  /// The inode of the dead server's socket; `nil` when nothing is at the path.
  ///
  /// - Throws: `Errno.addressInUse` when a server is alive there, or the path is no socket.
  static func inode(at path: FilePath, _ type: UnixSocketType) throws(InterprocessError) -> ino_t? {
    guard let status = try status(of: path) else { return nil }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw inUse(path, "this is no socket, and is not removed")
    }
    // A server that has bound and does not listen yet refuses connections as a dead one does. In this network namespace
    // the kernel tells them apart; of another one's servers it says nothing, so they get a moment.
    for attempt in 0..<3 {
      if attempt > 0 { usleep(10_000) }
      let probe = try OwnedDescriptor(unixSocket: type, for: "\"\(path)\"")
      try probe.setNonblocking(true)
      let result = valueOrErrno {
        UnixSocketAddress.path(path).withSocketAddress { connect(probe.rawValue, $0, $1) }
      }
      switch result {
      case .failure(.connectionRefused): continue
      case .failure(.noSuchFileOrDirectory): return nil
      case .failure(.permissionDenied): throw inUse(path, "this user may not ask whether its server is alive")
      // Connected, a full backlog, or another kind of socket: somebody is there.
      default: throw inUse(path, "a server is alive there; stop it first")
      }
    }
    if BoundSockets.include(path, inode: status.st_ino) {
      throw inUse(path, "a server has bound it, and does not listen yet; stop it first")
    }
    return status.st_ino
  }

  static func remove(_ path: FilePath, _ inode: ino_t) throws(InterprocessError) {
    // Somebody who knows nothing of the lock may have put a socket of their own there.
    guard let status = try status(of: path) else { return }
    guard status.st_ino == inode else { throw inUse(path, "another server has just started there") }
    try UnixListener.unlink(path)
  }

  private static func status(of path: FilePath) throws(InterprocessError) -> stat? {
    var status = stat()
    switch valueOrErrno({ path.withPlatformString { lstat($0, &status) } }) {
    case .success: return status
    case .failure(.noSuchFileOrDirectory): return nil
    case .failure(let reason): throw InterprocessError(call: "lstat", object: "\"\(path)\"", errno: reason)
    }
  }

  private static func inUse(_ path: FilePath, _ why: String) -> InterprocessError {
    InterprocessError(call: "bind", object: "\"\(path)\"", errno: .addressInUse, remedy: why)
  }
}
