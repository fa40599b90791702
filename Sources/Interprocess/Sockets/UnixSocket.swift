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
    descriptor = try OwnedDescriptor.connected(to: address, .stream, by: Deadline(timeout))
  }

  /// Connects to the server that listens at `address`; the task is suspended while the server's backlog is full.
  ///
  /// The corresponding C functions are `socket` and `connect`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) init(
    connectingTo address: UnixSocketAddress, timeout: Duration? = nil
  ) async throws {
    descriptor = try await OwnedDescriptor.connected(to: address, .stream, by: Deadline(timeout))
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

  /// Gives the descriptor away.
  consuming func takeDescriptor() -> OwnedDescriptor { descriptor }

  /// Closes this end, in this process. The corresponding C function is `close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }
}
