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
      let lock = try DirectoryLock(of: path)
      while try !lock.tryLock() { usleep(1000) }
      try socket.bindWhereNobodyIs(path, type, backlog)
    } else {
      try socket.bindAndListen(address, backlog)
    }
    return socket
  }

  /// Takes over a path at which nobody is any more; the task is suspended while others do so in the same directory.
  nonisolated(nonsending) static func takingOver(
    _ address: UnixSocketAddress, _ type: UnixSocketType, backlog: Int?
  ) async throws -> OwnedDescriptor {
    try Task.checkCancellation()
    try address.check(for: "bind")
    let socket = try OwnedDescriptor(unixSocket: type, for: address.quoted)
    if case .path(let path) = address {
      let lock = try DirectoryLock(of: path)
      while try !lock.tryLock() { try await Task.sleep(for: .milliseconds(1)) }
      try socket.bindWhereNobodyIs(path, type, backlog)
    } else {
      try socket.bindAndListen(address, backlog)
    }
    return socket
  }

  private func bindWhereNobodyIs(
    _ path: FilePath, _ type: UnixSocketType, _ backlog: Int?
  ) throws(InterprocessError) {
    if let inode = try DeadServer.inode(at: path, type) { try DeadServer.remove(path, inode) }
    try bindAndListen(.path(path), backlog)
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
}

/// Two servers that start at once take turns: each holds its directory locked while it looks, removes and binds. The
/// directory and not a file beside the path, which would have to be left behind.
private struct DirectoryLock: ~Copyable {
  private let directory: OwnedDescriptor
  private let name: String
  private let deadline = Deadline(.seconds(5))

  init(of path: FilePath) throws(InterprocessError) {
    let parent = path.removingLastComponent()
    let name = parent.isEmpty ? "." : parent
    directory = OwnedDescriptor(
      adopting: try systemCall("open", "\"\(name)\"", remedy: bindRemedy) {
        name.withPlatformString { ci_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
      })
    self.name = "\"\(name)\""
  }

  /// - Returns: whether it is locked, until this value goes.
  /// - Throws: `Errno.resourceBusy` when others have held it for too long.
  func tryLock() throws(InterprocessError) -> Bool {
    switch valueOrErrno({ flock(directory.rawValue, LOCK_EX | LOCK_NB) }) {
    case .success: return true
    case .failure(.wouldBlock) where !deadline.hasPassed: return false
    case .failure(let reason):
      throw InterprocessError(
        call: "flock", object: name, errno: reason == .wouldBlock ? .resourceBusy : reason,
        remedy: "another process holds this directory locked, and a dead server's path is taken over under that lock")
    }
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
