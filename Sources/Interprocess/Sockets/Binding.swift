import CInterprocess
import Glibc
import SystemPackage

extension OwnedDescriptor {
  /// A socket bound to `address`, and listening there when it has a backlog.
  ///
  /// - Parameter replacingDeadServer: whether to take over a path at which nobody is any more.
  static func bound(
    to address: UnixSocketAddress, _ type: UnixSocketType, backlog: Int?, replacingDeadServer: Bool
  ) throws(InterprocessError) -> OwnedDescriptor {
    try address.check(for: "bind")
    let socket = try OwnedDescriptor(unixSocket: type, for: address.quoted)
    if replacingDeadServer, case .path(let path) = address {
      var lock = try lockedDirectory(of: path)
      if let inode = try DeadServer.inode(at: path, type) { try DeadServer.remove(path, inode) }
      try socket.bindAndListen(address, backlog)
      try lock.close()
    } else {
      try socket.bindAndListen(address, backlog)
    }
    return socket
  }

  private func bindAndListen(_ address: UnixSocketAddress, _ backlog: Int?) throws(InterprocessError) {
    try systemCall("bind", address.quoted, remedy: bindRemedy) {
      address.withSocketAddress { bind(rawValue, $0, $1) }
    }
    guard let backlog else { return }
    do {
      // A connection that is there may be gone, or another's, before it is accepted: accepting never blocks by itself.
      try setNonblocking(true)
      try systemCall("listen", address.quoted) { listen(rawValue, CInt(clamping: max(0, backlog))) }
    } catch {
      if case .path(let path) = address { try? UnixListener.unlink(path) }
      throw error
    }
  }

  /// Two servers that start at once take turns: each holds its directory locked while it looks, removes and binds. The
  /// directory and not a file beside the path, which would have to be left behind.
  private static func lockedDirectory(of path: FilePath) throws(InterprocessError) -> OwnedDescriptor {
    let directory = path.removingLastComponent()
    let name = directory.isEmpty ? "." : directory
    let lock = OwnedDescriptor(
      adopting: try systemCall("open", "\"\(name)\"", remedy: bindRemedy) {
        name.withPlatformString { ci_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
      })
    let deadline = Deadline(.seconds(5))
    while flock(lock.rawValue, LOCK_EX | LOCK_NB) == -1 {
      let reason = Errno.current
      if reason == .wouldBlock, !deadline.hasPassed {
        usleep(1000)
        continue
      }
      if reason == .interrupted { continue }
      throw InterprocessError(
        call: "flock", object: "\"\(name)\"", errno: reason == .wouldBlock ? .resourceBusy : reason,
        remedy: "another process holds this directory locked, and a dead server's path is taken over under that lock")
    }
    return lock
  }
}

private func bindRemedy(_ reason: Errno) -> String? {
  switch reason {
  case .addressInUse: "somebody is there, or a dead server left the path behind: unlink it, or use replacingDeadServer"
  case .noSuchFileOrDirectory: "its directory does not exist"
  case .permissionDenied: "this user may not create files in its directory"
  default: nil
  }
}
