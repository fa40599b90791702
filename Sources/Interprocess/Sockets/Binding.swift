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
    let name = directory.isEmpty ? "." : directory.string
    let lock = OwnedDescriptor(
      adopting: try systemCall("open", "\"\(name)\"", remedy: bindRemedy) {
        ci_open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
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

/// A path that a server which has died left behind.
private enum DeadServer {
  /// The inode of the dead server's socket; `nil` when nothing is at the path.
  ///
  /// - Throws: `Errno.addressInUse` when a server is alive there, or the path is no socket.
  static func inode(at path: FilePath, _ type: UnixSocketType) throws(InterprocessError) -> ino_t? {
    guard let status = try status(of: path) else { return nil }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw inUse(path, "this is no socket, and is not removed")
    }
    // A server that has bound and does not listen yet refuses connections as a dead one does, for a moment.
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

private func bindRemedy(_ reason: Errno) -> String? {
  switch reason {
  case .addressInUse: "somebody is there, or a dead server left the path behind: unlink it, or use replacingDeadServer"
  case .noSuchFileOrDirectory: "its directory does not exist"
  case .permissionDenied: "this user may not create files in its directory"
  default: nil
  }
}

extension OwnedDescriptor {
  /// Takes the next connection, if there is one.
  func tryAcceptConnection(_ address: UnixSocketAddress) throws(InterprocessError) -> OwnedDescriptor? {
    switch valueOrErrno({ ci_accept4(rawValue, CInt(SOCK_CLOEXEC.rawValue)) }) {
    case .success(let connection): return OwnedDescriptor(adopting: connection)
    case .failure(.wouldBlock), .failure(.connectionAbort): return nil
    case .failure(let reason):
      throw InterprocessError(
        call: "accept", object: address.quoted, errno: reason, remedy: generalRemedy(for: reason))
    }
  }

  func acceptConnection(
    _ address: UnixSocketAddress, by deadline: Deadline
  ) throws(InterprocessError) -> OwnedDescriptor {
    while true {
      if let connection = try tryAcceptConnection(address) { return connection }
      guard try wait(until: .readable, by: deadline) else {
        throw InterprocessError(call: "accept", object: address.quoted, errno: .timedOut)
      }
    }
  }

  nonisolated(nonsending) func acceptConnection(
    _ address: UnixSocketAddress, by deadline: Deadline
  ) async throws -> OwnedDescriptor {
    try Task.checkCancellation()
    while true {
      if let connection = try tryAcceptConnection(address) { return connection }
      try await Interprocess.becomeReady(fileDescriptor, .readable, by: deadline, for: "accept")
    }
  }
}
