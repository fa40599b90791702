import CInterprocess
import Glibc
import SystemPackage

/// Who is at the other end of a connected Unix socket: what the kernel knew when it was connected, listened or paired.
public struct PeerCredentials: Hashable, Sendable {
  /// The process. It may have ended since, and its id may be another's: ``UnixSocket/peerProcess()`` cannot be mistaken.
  /// 0 where it is in a process namespace that cannot be seen from this one.
  public let processID: CInt

  /// The effective user.
  public let userID: UInt32

  /// The effective group.
  public let groupID: UInt32

  init(of descriptor: borrowing OwnedDescriptor) throws(InterprocessError) {
    var (process, user, group): (pid_t, uid_t, gid_t) = (0, 0, 0)
    try systemCall("getsockopt", "SO_PEERCRED of socket \(descriptor.rawValue)") {
      ci_peer_credentials(descriptor.rawValue, &process, &user, &group)
    }
    // Unconnected sockets have nobody at the other end, which the kernel says with these.
    guard process != 0 || user != uid_t.max else {
      throw InterprocessError(
        call: "getsockopt", object: "SO_PEERCRED of socket \(descriptor.rawValue)", errno: .socketNotConnected,
        remedy: "nobody is at the other end, or its process cannot be seen from here")
    }
    (processID, userID, groupID) = (process, user, group)
  }
}

extension UnixSocket {
  /// Who is at the other end.
  ///
  /// The corresponding C function is `getsockopt` with `SO_PEERCRED`.
  ///
  /// - Throws: `Errno.socketNotConnected` when nobody is there.
  public func peerCredentials() throws(InterprocessError) -> PeerCredentials { try PeerCredentials(of: descriptor) }

  /// The process at the other end, held so that nobody else's can be taken for it.
  ///
  /// The corresponding C function is `getsockopt` with `SO_PEERPIDFD`, of Linux 6.5.
  ///
  /// - Throws: `Errno.protocolNotAvailable` where the kernel does not have it; `Errno.noSuchProcess` when the process has
  ///   ended and been reaped, where the kernel says so; `Errno.noData` when nobody is there.
  public func peerProcess() throws(InterprocessError) -> ProcessHandle { try ProcessHandle(peerOf: descriptor) }
}

extension MessageSocket {
  /// Who is at the other end of a connected socket. See ``UnixSocket/peerCredentials()``.
  public func peerCredentials() throws(InterprocessError) -> PeerCredentials { try PeerCredentials(of: descriptor) }

  /// The process at the other end of a connected socket. See ``UnixSocket/peerProcess()``.
  public func peerProcess() throws(InterprocessError) -> ProcessHandle { try ProcessHandle(peerOf: descriptor) }
}

extension ProcessHandle {
  fileprivate init(peerOf socket: borrowing OwnedDescriptor) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      reason.rawValue == ENOPROTOOPT ? "this kernel is older than Linux 6.5; use peerCredentials()" : nil
    }
    self.init(
      adopting: OwnedDescriptor(
        adopting: try systemCall("getsockopt", "SO_PEERPIDFD of socket \(socket.rawValue)", remedy: remedy) {
          ci_peer_pidfd(socket.rawValue)
        }))
  }
}
