import Glibc
import SystemPackage

/// Two stream sockets connected to each other, without a name: bytes both ways between a process and its child.
///
/// Each process closes the end that is the other's, so that it learns when the other has gone.
@frozen
public struct SocketPair: ~Copyable, Sendable {
  public var first: UnixSocket
  public var second: UnixSocket

  /// Creates the pair. Both ends are closed in programs that this process executes.
  ///
  /// The corresponding C function is `socketpair`.
  public init() throws(InterprocessError) {
    var ends: (CInt, CInt) = (-1, -1)
    try systemCall("socketpair", nil) {
      withUnsafeMutableBytes(of: &ends) {
        socketpair(
          AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0,
          $0.assumingMemoryBound(to: CInt.self).baseAddress)
      }
    }
    first = UnixSocket(adopting: OwnedDescriptor(adopting: ends.0))
    second = UnixSocket(adopting: OwnedDescriptor(adopting: ends.1))
  }
}
