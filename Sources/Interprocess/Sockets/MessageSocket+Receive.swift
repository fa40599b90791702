public import CInterprocess
public import Glibc
public import SystemPackage

extension MessageSocket {
  /// A message that came.
  public struct Message: Hashable, Sendable {
    public let bytes: [UInt8]

    /// The address its sender is bound to; `nil` where it has none.
    public let sender: UnixSocketAddress?

    public init(bytes: [UInt8], sender: UnixSocketAddress?) {
      self.bytes = bytes
      self.sender = sender
    }
  }

  /// What was received into a buffer.
  public struct Arrival: Hashable, Sendable {
    /// The message's length in bytes.
    public let count: Int

    /// The address its sender is bound to; `nil` where it has none.
    public let sender: UnixSocketAddress?

    @usableFromInline
    init(count: Int, sender: UnixSocketAddress?) {
      self.count = count
      self.sender = sender
    }
  }

  /// What receiving without waiting gave.
  private enum Attempt {
    case arrival(Arrival)
    case end
    case nothingYet
  }

  /// Receives one message and appends it to `buffer`.
  ///
  /// The corresponding C function is `recvmsg`.
  ///
  /// - Parameters:
  ///   - buffer: with room for the longest message that may come.
  ///   - timeout: how long to wait for a message; `nil` waits for ever.
  /// - Returns: its length and sender; `nil` when the other side of a sequenced packet socket has closed and everything
  ///   was received. A foreign program's empty sequenced packet is told from the end only while its sender is open.
  /// - Throws: `Errno.messageTooLong` when `buffer` has less room than the message had bytes: its beginning is in the
  ///   buffer, the rest is lost; `Errno.timedOut`; `Errno.connectionReset` when the other side of a sequenced packet
  ///   socket has closed and not received everything. Of a datagram peer that has closed nothing is told.
  @inlinable
  public func receive(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) throws(InterprocessError) -> Arrival? {
    let room = buffer.freeCapacity
    guard kind == .sequencedPacket, timeout == nil, room > 0 else {
      return try receiveCarefully(into: &buffer, timeout)
    }
    // With MSG_TRUNC, the length is that of the whole message.
    let count = buffer.fill { recv(descriptor.rawValue, $0.baseAddress, $0.count, CInt(MSG_TRUNC)) }
    if _fastPath(count > 0 && count <= room) { return Arrival(count: count, sender: connectedPeer) }
    return try receive(into: &buffer, after: count < 0 ? .failure(Errno(rawValue: errno)) : .success(count), room)
  }

  /// What comes of a packet that did not come whole.
  @usableFromInline
  func receive(
    into buffer: inout OutputRawSpan, after result: Result<Int, Errno>, _ room: Int
  ) throws(InterprocessError) -> Arrival? {
    switch result {
    case .success(0) where hasHungUp: return nil
    case .success(0): return Arrival(count: 0, sender: connectedPeer)
    case .success(let count): throw descriptor.loss(of: count, room, 0)
    case .failure(.wouldBlock), .failure(.interrupted): return try receiveCarefully(into: &buffer, nil)
    case .failure(let reason): throw descriptor.receiveFailure(reason)
    }
  }

  @usableFromInline
  func receiveCarefully(
    into buffer: inout OutputRawSpan, _ timeout: Duration?
  ) throws(InterprocessError) -> Arrival? {
    var none = ReceivedDescriptors.unwanted
    return try receive(into: &buffer, receiving: &none, timeout: timeout)
  }

  /// Receives one message and the descriptors passed with it.
  ///
  /// The corresponding C function is `recvmsg` with `MSG_CMSG_CLOEXEC`.
  ///
  /// - Parameter received: gets the descriptors, up to its limit; the others are closed.
  /// - Throws: as `receive(into:timeout:)`; `Errno.tooManyOpenFiles` when this process may not have so many
  ///   descriptors: those that fitted are in `received`.
  public func receive(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws(InterprocessError) -> Arrival? {
    let deadline = Deadline(timeout)
    while true {
      switch try attempt(&buffer, &received, waiting: deadline.isNever) {
      case .arrival(let arrival): return arrival
      case .end: return nil
      case .nothingYet: try waitUntilReady(descriptor.fileDescriptor, .readable, by: deadline, for: "recvmsg")
      }
    }
  }

  /// Receives one message of at most `limit` bytes. See `receive(into:timeout:)`.
  public func receive(upTo limit: Int, timeout: Duration? = nil) throws(InterprocessError) -> Message? {
    var none = ReceivedDescriptors.unwanted
    return try receive(upTo: limit, receiving: &none, timeout: timeout)
  }

  /// Receives one message of at most `limit` bytes and the descriptors passed with it. See
  /// `receive(into:receiving:timeout:)`.
  public func receive(
    upTo limit: Int, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws(InterprocessError) -> Message? {
    var arrival: Arrival?
    let bytes = try [UInt8](receivingUpTo: limit) { buffer throws(InterprocessError) in
      arrival = try receive(into: &buffer, receiving: &received, timeout: timeout)
    }
    return arrival.map { Message(bytes: bytes, sender: $0.sender) }
  }

  /// Receives one message and appends it to `buffer`; the task is suspended until one comes. See
  /// ``receive(into:timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was received.
  public nonisolated(nonsending) func receive(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) async throws -> Arrival? {
    var none = ReceivedDescriptors.unwanted
    return try await receive(into: &buffer, receiving: &none, timeout: timeout)
  }

  /// Receives one message and the descriptors passed with it; the task is suspended until one comes. See
  /// ``receive(into:receiving:timeout:)``.
  public nonisolated(nonsending) func receive(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> Arrival? {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      switch try attempt(&buffer, &received, waiting: false) {
      case .arrival(let arrival): return arrival
      case .end: return nil
      case .nothingYet: try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "recvmsg")
      }
    }
  }

  /// Receives one message of at most `limit` bytes; the task is suspended until one comes. See
  /// `receive(into:timeout:)`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was received.
  public nonisolated(nonsending) func receive(upTo limit: Int, timeout: Duration? = nil) async throws -> Message? {
    var none = ReceivedDescriptors.unwanted
    return try await receive(upTo: limit, receiving: &none, timeout: timeout)
  }

  /// Receives one message and the descriptors passed with it; the task is suspended until one comes. See
  /// `receive(into:receiving:timeout:)`.
  public nonisolated(nonsending) func receive(
    upTo limit: Int, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> Message? {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      var attempted = Attempt.nothingYet
      let bytes = try [UInt8](receivingUpTo: limit) { buffer throws(InterprocessError) in
        attempted = try attempt(&buffer, &received, waiting: false)
      }
      switch attempted {
      case .arrival(let arrival): return Message(bytes: bytes, sender: arrival.sender)
      case .end: return nil
      case .nothingYet: try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "recvmsg")
      }
    }
  }

  /// The length of the next message in bytes, which stays there: to make room for it.
  ///
  /// The corresponding C function is `recv` with `MSG_PEEK` and `MSG_TRUNC`.
  ///
  /// - Returns: `nil` when there is none yet. 0 at the end of a sequenced packet socket.
  public func nextMessageSize() throws(InterprocessError) -> Int? {
    let flags = CInt(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT)
    switch valueOrErrno({ recv(descriptor.rawValue, nil, 0, flags) }) {
    case .success(let size): return size
    case .failure(.wouldBlock): return nil
    case .failure(let reason):
      throw InterprocessError(call: "recv", object: "socket \(descriptor.rawValue)", errno: reason)
    }
  }

  private func attempt(
    _ buffer: inout OutputRawSpan, _ received: inout ReceivedDescriptors, waiting: Bool
  ) throws(InterprocessError) -> Attempt {
    let head = try descriptor.receiveMessage(
      into: &buffer, receiving: &received, isStream: false, asksForSender: kind == .datagram, waiting: waiting)
    guard let head else { return .nothingYet }
    if head.count == 0, kind == .sequencedPacket, hasHungUp { return .end }
    return .arrival(Arrival(count: head.count, sender: kind == .datagram ? head.sender : connectedPeer))
  }

  /// Whether the other side sends no more.
  private var hasHungUp: Bool {
    // POLLRDHUP, which Glibc's module leaves out.
    var entry = pollfd(fd: descriptor.rawValue, events: 0x2000, revents: 0)
    return poll(&entry, 1, 0) > 0
  }
}
