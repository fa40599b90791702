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
    let ends = try OwnedDescriptor.unixSocketPair(.stream)
    first = UnixSocket(adopting: OwnedDescriptor(adopting: ends.0))
    second = UnixSocket(adopting: OwnedDescriptor(adopting: ends.1))
  }
}
