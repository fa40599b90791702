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
  /// - Parameter backlog: how many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
  /// - Throws: `Errno.addressInUse` when the path or name is taken, be it by a server that has died.
  public init(at address: UnixSocketAddress, backlog: Int = 128) throws(InterprocessError) {
    try address.check(for: "bind")
    let socket = try OwnedDescriptor(unixSocketFor: address)
    try systemCall("bind", address.quoted, remedy: Self.bindRemedy) {
      address.withSocketAddress { bind(socket.rawValue, $0, $1) }
    }
    do {
      try systemCall("listen", address.quoted) { listen(socket.rawValue, CInt(clamping: max(0, backlog))) }
    } catch {
      if case .path(let path) = address { try? Self.unlink(path) }
      throw error
    }
    descriptor = socket
    self.address = address
  }

  private static func bindRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .addressInUse: "somebody listens there, or a dead server left the path behind: unlink it then"
    case .noSuchFileOrDirectory: "its directory does not exist"
    case .permissionDenied: "this user may not create files in its directory"
    default: nil
    }
  }

  /// Takes the next connection.
  ///
  /// The corresponding C function is `accept4`.
  ///
  /// - Parameter timeout: how long to wait for one; `nil` waits for ever.
  /// - Throws: `Errno.timedOut` when nobody connected in time.
  public func accept(timeout: Duration? = nil) throws(InterprocessError) -> UnixSocket {
    let deadline = Deadline(timeout)
    if !deadline.isNever, try !descriptor.wait(until: .readable, by: deadline) {
      throw InterprocessError(call: "accept", object: address.quoted, errno: .timedOut)
    }
    return UnixSocket(
      adopting: OwnedDescriptor(
        adopting: try systemCall("accept", address.quoted) {
          ci_accept4(descriptor.rawValue, CInt(SOCK_CLOEXEC.rawValue))
        }))
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
