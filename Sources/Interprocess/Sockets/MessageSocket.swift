import CInterprocess
import Glibc
import SystemPackage

/// A Unix socket that keeps messages apart: what one side sends at once, the other receives at once.
///
/// A datagram socket needs no connection: it is bound to an address, and receives from everybody who sends there. A
/// sequenced packet socket is connected as a stream is (``MessageListener``), and learns when the other side closes.
/// Messages of both arrive in order and are not lost on the way; how long they may be is the send buffer's size, about
/// 200,000 bytes.
public struct MessageSocket: ~Copyable, Sendable {
  /// How messages travel.
  public enum Kind: Hashable, Sendable {
    /// Each message by itself, to and from anybody.
    case datagram

    /// Over a connection that has an end.
    case sequencedPacket

    var type: UnixSocketType { self == .datagram ? .datagram : .sequencedPacket }
  }

  public private(set) var descriptor: OwnedDescriptor
  public let kind: Kind

  /// Of a connection, who sends: asked once, since the kernel takes its time to tell with each message.
  @usableFromInline let connectedPeer: UnixSocketAddress?

  /// Takes over a socket that came from elsewhere.
  public init(adopting descriptor: consuming OwnedDescriptor, kind: Kind) {
    connectedPeer = kind == .sequencedPacket ? descriptor.peerAddress : nil
    self.descriptor = descriptor
    self.kind = kind
  }

  /// Connects to a ``MessageListener``, or makes the datagram socket at `address` the one to send to.
  ///
  /// The corresponding C functions are `socket` and `connect`.
  ///
  /// - Parameter timeout: how long to wait for room in the server's backlog; `nil` waits for ever.
  /// - Throws: `Errno.noSuchFileOrDirectory` when nobody ever was there, `Errno.connectionRefused` when nobody is any
  ///   more, `Errno.timedOut` when the backlog stayed full, `Errno.protocolWrongTypeForSocket` when a socket of another
  ///   kind is there.
  public init(
    connectingTo address: UnixSocketAddress, kind: Kind, timeout: Duration? = nil
  ) throws(InterprocessError) {
    self.init(adopting: try OwnedDescriptor.connected(to: address, kind.type, by: Deadline(timeout)), kind: kind)
  }

  /// Connects; the task is suspended while the server's backlog is full. See ``init(connectingTo:kind:timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(
    connectingTo address: UnixSocketAddress, kind: Kind, timeout: Duration? = nil
  ) async throws {
    self.init(adopting: try await OwnedDescriptor.connected(to: address, kind.type, by: Deadline(timeout)), kind: kind)
  }

  /// A datagram socket that receives at `address`, and is known by it to those it sends to.
  ///
  /// The corresponding C functions are `socket` and `bind`. The path stays when the socket goes;
  /// ``UnixListener/unlink(_:)`` removes it.
  ///
  /// - Parameter replacingDeadServer: whether to take over a path at which nobody receives any more, as
  ///   ``UnixListener/init(at:backlog:replacingDeadServer:)`` does.
  /// - Throws: `Errno.addressInUse` when the path or name is taken.
  public init(boundTo address: UnixSocketAddress, replacingDeadServer: Bool = false) throws(InterprocessError) {
    let socket = try OwnedDescriptor.bound(
      to: address, .datagram, backlog: nil, replacingDeadServer: replacingDeadServer)
    self.init(adopting: socket, kind: .datagram)
  }

  /// A datagram socket that receives at `address`, taking over a path at which nobody receives any more; the task is
  /// suspended while others do so in the same directory. See ``init(boundTo:replacingDeadServer:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(takingOver address: UnixSocketAddress) async throws {
    self.init(adopting: try await OwnedDescriptor.takingOver(address, .datagram, backlog: nil), kind: .datagram)
  }

  /// A datagram socket without an address: it sends, and nobody can answer.
  ///
  /// The corresponding C function is `socket`.
  public init() throws(InterprocessError) {
    self.init(adopting: try OwnedDescriptor(unixSocket: .datagram, for: nil), kind: .datagram)
  }

  /// Two sockets connected to each other, without a name.
  @frozen
  public struct Pair: ~Copyable, Sendable {
    public var first: MessageSocket
    public var second: MessageSocket
  }

  /// Creates two sockets connected to each other. Both are closed in programs that this process executes.
  ///
  /// The corresponding C function is `socketpair`.
  public static func pair(_ kind: Kind) throws(InterprocessError) -> Pair {
    let ends = try OwnedDescriptor.unixSocketPair(kind.type)
    return Pair(
      first: MessageSocket(adopting: OwnedDescriptor(adopting: ends.0), kind: kind),
      second: MessageSocket(adopting: OwnedDescriptor(adopting: ends.1), kind: kind))
  }

  /// Closes this end, in this process. The corresponding C function is `close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }
}
