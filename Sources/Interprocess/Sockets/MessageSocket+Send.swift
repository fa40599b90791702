public import CInterprocess
public import Glibc
public import SystemPackage

extension MessageSocket {
  /// Sends one message, if there is room for it.
  ///
  /// The corresponding C function is `sendmsg` with `MSG_DONTWAIT`.
  ///
  /// - Returns: whether it was sent.
  /// - Throws: as `send(_:passing:to:timeout:)`.
  public func trySend(
    _ message: RawSpan, passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil
  ) throws(InterprocessError) -> Bool {
    if kind == .sequencedPacket, message.byteCount == 0 {
      throw .refused(
        "sendmsg", "socket \(descriptor.rawValue)", "an empty sequenced packet would look like the end to its receiver")
    }
    return try descriptor.sendMessage(message, passing: descriptors, to: address, waiting: false) != nil
  }

  /// Sends one message, if there is room for it. See ``trySend(_:passing:to:)-(RawSpan,_,_)``.
  public func trySend(
    _ message: [UInt8], passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil
  ) throws(InterprocessError) -> Bool {
    try trySend(message.span.bytes, passing: descriptors, to: address)
  }

  /// Sends one message, whole, waiting until there is room for it.
  ///
  /// The corresponding C function is `sendmsg`.
  ///
  /// - Parameters:
  ///   - message: its bytes; at least one for a sequenced packet. An empty datagram is a message too.
  ///   - descriptors: passed along, at most 253; this process keeps its own.
  ///   - address: whom to send it to, for a datagram socket that is not connected.
  ///   - timeout: how long to wait for room; `nil` waits for ever.
  /// - Throws: `Errno.messageTooLong` when it exceeds the send buffer; `Errno.timedOut`; `Errno.brokenPipe` or
  ///   `connectionReset` when the other side has closed (never the signal SIGPIPE); `Errno.connectionRefused` or
  ///   `noSuchFileOrDirectory` when nobody receives at `address`; `Errno.socketNotConnected` without an `address`.
  @inlinable
  public func send(
    _ message: RawSpan, passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil,
    timeout: Duration? = nil
  ) throws(InterprocessError) {
    var reason: CInt = 0
    if descriptors.isEmpty, address == nil, message.byteCount > 0 {
      let count = message.withUnsafeBytes {
        Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
      }
      if _fastPath(count >= 0) { return }
      // An error that waited at the socket is told once.
      reason = errno
    }
    try sendCarefully(message, passing: descriptors, to: address, timeout, after: Errno(rawValue: reason))
  }

  /// - Parameter reason: why sending failed already; 0 where it was not tried.
  @usableFromInline
  func sendCarefully(
    _ message: RawSpan, passing descriptors: [FileDescriptor], to address: UnixSocketAddress?, _ timeout: Duration?,
    after reason: Errno
  ) throws(InterprocessError) {
    if ![Errno(rawValue: 0), .wouldBlock, .interrupted].contains(reason) {
      throw descriptor.sendFailure(reason, message.byteCount, address)
    }
    let deadline = Deadline(timeout)
    while try !trySend(message, passing: descriptors, to: address) {
      try waitUntilReady(descriptor.fileDescriptor, .writable, by: deadline, for: "sendmsg")
      guard let address else { continue }
      let receiver = try Self.probe(address)
      try waitUntilReady(receiver.descriptor.fileDescriptor, .writable, by: deadline, for: "sendmsg")
    }
  }

  /// Sends one message, whole. See `send(_:passing:to:timeout:)`.
  public func send(
    _ message: [UInt8], passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil,
    timeout: Duration? = nil
  ) throws(InterprocessError) {
    try send(message.span.bytes, passing: descriptors, to: address, timeout: timeout)
  }

  /// Sends one message, whole; the task is suspended until there is room for it.
  ///
  /// The corresponding C functions are `sendmsg` and `epoll_wait`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then it was not sent.
  public nonisolated(nonsending) func send(
    _ message: RawSpan, passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil,
    timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while try !trySend(message, passing: descriptors, to: address) {
      try await becomeReady(descriptor.fileDescriptor, .writable, by: deadline, for: "sendmsg")
      guard let address else { continue }
      let receiver = try Self.probe(address)
      try await becomeReady(receiver.descriptor.fileDescriptor, .writable, by: deadline, for: "sendmsg")
    }
  }

  /// Sends one message, whole; the task is suspended until there is room for it. See
  /// `send(_:passing:to:timeout:)`.
  public nonisolated(nonsending) func send(
    _ message: [UInt8], passing descriptors: [FileDescriptor] = [], to address: UnixSocketAddress? = nil,
    timeout: Duration? = nil
  ) async throws {
    try await send(message.span.bytes, passing: descriptors, to: address, timeout: timeout)
  }

  /// A socket connected to a receiver. Only such a one is not writable while the receiver's queue is full; that of an
  /// unconnected sender looks to its own buffer alone, and waiting for it would spin.
  private static func probe(_ address: UnixSocketAddress) throws(InterprocessError) -> MessageSocket {
    MessageSocket(
      adopting: try OwnedDescriptor.connected(to: address, .datagram, by: .never), kind: .datagram)
  }
}
