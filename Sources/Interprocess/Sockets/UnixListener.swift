import CInterprocess
import Glibc
public import SystemPackage

/// A stream socket that listens, for processes that connect to its path or abstract name.
///
/// Closing and unlinking are separate: a listener that goes leaves its path, so that a descendant which inherited it can
/// go on; ``unlink(_:)`` removes the path.
public struct UnixListener: ~Copyable, Sendable {
  public private(set) var descriptor: OwnedDescriptor
  public let address: UnixSocketAddress

  /// Binds `address` and listens there.
  ///
  /// The corresponding C functions are `socket`, `bind` and `listen`.
  ///
  /// A server that has died leaves its path. `replacingDeadServer` takes that over: a socket at which nobody answers is
  /// removed, and this one stands in its place. A live server's is never touched (it sees one connection that ends at
  /// once), not even while it has bound the path and does not listen yet, nor is a file that is no socket. Of servers
  /// that start at the same time one wins and the others get `Errno.addressInUse`: they lock the path's directory
  /// (`flock`) meanwhile.
  ///
  /// The kernel is asked (`sock_diag`) which sockets are bound, and tells of those in this network namespace. A server
  /// in another one that shares the directory, and any server where the kernel was built without `unix_diag`, looks dead
  /// if it does not listen within 20 ms of its `bind`.
  ///
  /// - Parameters:
  ///   - backlog: how many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
  ///   - replacingDeadServer: whether to take over a path at which nobody listens any more. An abstract name needs no
  ///     taking over: it goes with its server.
  /// - Throws: `Errno.addressInUse` when the path or name is taken; `Errno.resourceBusy` when the directory stays locked
  ///   for 5 seconds.
  public init(
    at address: UnixSocketAddress, backlog: Int = 128, replacingDeadServer: Bool = false
  ) throws(InterprocessError) {
    descriptor = try OwnedDescriptor.bound(
      to: address, .stream, backlog: backlog, replacingDeadServer: replacingDeadServer)
    self.address = address
  }

  /// Binds `address` and listens there, taking over a path at which nobody listens any more; the task is suspended
  /// while others do so in the same directory. See ``init(at:backlog:replacingDeadServer:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(takingOver address: UnixSocketAddress, backlog: Int = 128) async throws {
    descriptor = try await OwnedDescriptor.takingOver(address, .stream, backlog: backlog)
    self.address = address
  }

  /// Takes the next connection, if there is one; `nil` when nobody waits.
  ///
  /// The corresponding C function is `accept4`.
  ///
  /// - Throws: `Errno.tooManyOpenFiles` when the process may have no more descriptors.
  public func tryAccept() throws(InterprocessError) -> UnixSocket? {
    guard let connection = try descriptor.tryAcceptConnection(address) else { return nil }
    return UnixSocket(adopting: connection)
  }

  /// Takes the next connection.
  ///
  /// The corresponding C functions are `accept4` and `poll`.
  ///
  /// - Parameter timeout: how long to wait for one; `nil` waits for ever.
  /// - Throws: `Errno.timedOut` when nobody connected in time.
  public func accept(timeout: Duration? = nil) throws(InterprocessError) -> UnixSocket {
    UnixSocket(adopting: try descriptor.acceptConnection(address, by: Deadline(timeout)))
  }

  /// Takes the next connection; the task is suspended until somebody connects.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then no connection was taken.
  public nonisolated(nonsending) func accept(timeout: Duration? = nil) async throws -> UnixSocket {
    UnixSocket(adopting: try await descriptor.acceptConnection(address, by: Deadline(timeout)))
  }

  /// Stops listening, in this process. The path, if there is one, stays. The corresponding C function is `close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }

  /// Removes a listener's path. The corresponding C function is `unlink`.
  public static func unlink(_ path: FilePath) throws(InterprocessError) {
    try systemCall("unlink", "\"\(path)\"", remedy: naming("path")) {
      path.withPlatformString { Glibc.unlink($0) }
    }
  }
}
