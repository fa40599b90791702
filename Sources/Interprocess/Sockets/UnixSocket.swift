import CInterprocess
import Glibc
public import SystemPackage

/// One end of a connected stream socket between processes of this machine: bytes both ways, in order.
///
/// It comes from connecting to a ``UnixListener``, from accepting there, or as one half of a ``SocketPair``.
public struct UnixSocket: ~Copyable, Sendable, ByteReader, ByteWriter {
  public private(set) var descriptor: OwnedDescriptor
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Takes over a connected stream socket that came from elsewhere.
  public init(adopting descriptor: consuming OwnedDescriptor) {
    self.descriptor = descriptor
  }

  /// Connects to the server that listens at `address`.
  ///
  /// The corresponding C functions are `socket` and `connect`.
  ///
  /// - Parameter timeout: how long to wait for room in the server's backlog; `nil` waits for ever.
  /// - Throws: `Errno.noSuchFileOrDirectory` when nobody ever listened there, `Errno.connectionRefused` when nobody does
  ///   any more, `Errno.timedOut` when the backlog stayed full.
  public init(connectingTo address: UnixSocketAddress, timeout: Duration? = nil) throws(InterprocessError) {
    let socket = try OwnedDescriptor(unixSocketFor: address)
    let deadline = Deadline(timeout)
    if !deadline.isNever { try socket.setSendTimeout(deadline) }
    try systemCall("connect", address.quoted, remedy: Self.connectRemedy) {
      let result = address.withSocketAddress { connect(socket.rawValue, $0, $1) }
      // A full backlog answers EAGAIN once the send timeout has passed.
      if result == -1, Errno.current == .wouldBlock { Glibc.errno = ETIMEDOUT }
      return result
    }
    if !deadline.isNever { try socket.setSendTimeout(.never) }
    descriptor = socket
  }

  private static func connectRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .noSuchFileOrDirectory: "nobody listens there; the server has to come first"
    case .connectionRefused: "its server is gone; start it again"
    case .timedOut: "the server accepts too slowly, its backlog is full"
    case .permissionDenied: "the socket's or its directory's permissions do not let this user in"
    default: nil
    }
  }

  /// Reads what is there without waiting. The corresponding C function is `recv` with `MSG_DONTWAIT`. See
  /// ``ByteReader/tryRead(into:)``.
  public func tryRead(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int? {
    try descriptor.tryRead(SocketCalls.self, into: &buffer, "socket \(descriptor.rawValue)")
  }

  /// Writes what there is room for without waiting. The corresponding C function is `send` with `MSG_DONTWAIT`. See
  /// ``ByteWriter/tryWrite(_:)``.
  public func tryWrite(_ bytes: RawSpan) throws(InterprocessError) -> Int? {
    try descriptor.tryWrite(SocketCalls.self, bytes, "socket \(descriptor.rawValue)")
  }

  /// Reads what is there. The corresponding C function is `recv`. See ``ByteReader/read(into:timeout:)``.
  public func read(into buffer: inout OutputRawSpan, timeout: Duration?) throws(InterprocessError) -> Int {
    try descriptor.read(SocketCalls.self, into: &buffer, by: Deadline(timeout), "socket \(descriptor.rawValue)")
  }

  /// Writes all of `bytes`. The corresponding C function is `send`. See ``ByteWriter/write(_:timeout:)``.
  public func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError) {
    try descriptor.write(SocketCalls.self, bytes, by: Deadline(timeout), "socket \(descriptor.rawValue)")
  }

  /// Says that nothing more will be written: the other side sees the end of the stream, and may still answer.
  ///
  /// The corresponding C function is `shutdown`.
  public func finishWriting() throws(InterprocessError) {
    try systemCall("shutdown", "socket \(descriptor.rawValue)") { shutdown(descriptor.rawValue, CInt(SHUT_WR)) }
  }

  /// Closes this end, in this process. The corresponding C function is `close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }
}

extension OwnedDescriptor {
  /// A stream socket, closed in programs that this one executes. `address` is what it is wanted for.
  init(unixSocketFor address: UnixSocketAddress) throws(InterprocessError) {
    self.init(
      adopting: try systemCall("socket", address.quoted) {
        socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      })
  }

  /// Bounds `connect`, which has no timeout of its own.
  fileprivate func setSendTimeout(_ deadline: Deadline) throws(InterprocessError) {
    var time = timeval()
    if let left = deadline.remaining {
      let (seconds, attoseconds) = left.components
      // Zero would mean for ever.
      time = timeval(tv_sec: Int(seconds), tv_usec: max(1, Int(attoseconds / 1_000_000_000_000)))
    }
    try systemCall("setsockopt", "socket \(rawValue)") {
      setsockopt(rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }
}
