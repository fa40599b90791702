/// A sequenced packet socket that listens: each connection keeps messages apart, in order.
///
/// Closing and unlinking are separate, as for ``UnixListener``, whose ``UnixListener/unlink(_:)`` removes the path.
public struct MessageListener: ~Copyable, Sendable {
  public private(set) var descriptor: OwnedDescriptor
  public let address: UnixSocketAddress

  /// Binds `address` and listens there. See ``UnixListener/init(at:backlog:replacingDeadServer:)``.
  ///
  /// The corresponding C functions are `socket`, `bind` and `listen`.
  ///
  /// - Throws: `Errno.addressInUse` when the path or name is taken.
  public init(
    at address: UnixSocketAddress, backlog: Int = 128, replacingDeadServer: Bool = false
  ) throws(InterprocessError) {
    descriptor = try OwnedDescriptor.bound(
      to: address, .sequencedPacket, backlog: backlog, replacingDeadServer: replacingDeadServer)
    self.address = address
  }

  /// Binds `address` and listens there, taking over a path at which nobody listens any more; the task is suspended
  /// while others do so in the same directory. See ``init(at:backlog:replacingDeadServer:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(takingOver address: UnixSocketAddress, backlog: Int = 128) async throws {
    descriptor = try await OwnedDescriptor.takingOver(address, .sequencedPacket, backlog: backlog)
    self.address = address
  }

  /// Takes the next connection, if there is one; `nil` when nobody waits.
  ///
  /// The corresponding C function is `accept4`.
  ///
  /// - Throws: `Errno.tooManyOpenFiles` when the process may have no more descriptors.
  public func tryAccept() throws(InterprocessError) -> MessageSocket? {
    guard let connection = try descriptor.tryAcceptConnection(address) else { return nil }
    return MessageSocket(adopting: connection, kind: .sequencedPacket)
  }

  /// Takes the next connection.
  ///
  /// The corresponding C functions are `accept4` and `poll`.
  ///
  /// - Parameter timeout: how long to wait for one; `nil` waits for ever.
  /// - Throws: `Errno.timedOut` when nobody connected in time.
  public func accept(timeout: Duration? = nil) throws(InterprocessError) -> MessageSocket {
    MessageSocket(adopting: try descriptor.acceptConnection(address, by: Deadline(timeout)), kind: .sequencedPacket)
  }

  /// Takes the next connection; the task is suspended until somebody connects.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then no connection was taken.
  public nonisolated(nonsending) func accept(timeout: Duration? = nil) async throws -> MessageSocket {
    MessageSocket(
      adopting: try await descriptor.acceptConnection(address, by: Deadline(timeout)), kind: .sequencedPacket)
  }

  /// Stops listening, in this process. The path, if there is one, stays. The corresponding C function is `close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }
}
