import SystemPackage

/// What an attempt to send came to.
enum Departure {
  /// All of the message has gone.
  case sent
  /// There is no room for the rest.
  case noRoom
  /// There may be room for more: only so much goes in one ``Stride``.
  case unfinished
}

/// One direction of a channel, as its sender has it. One caller at a time uses it.
protocol OutgoingLine: AnyObject, Sendable {
  /// Sends a message, or goes on with the one that it last did not send to its end.
  ///
  /// - Parameter mayBlock: whether to wait in the system call itself, which is one call less than waiting first.
  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure

  /// Waits until ``trySend(_:passing:mayBlock:)`` can go on.
  ///
  /// - Throws: a timeout.
  func waitForRoom(by deadline: Deadline) throws(ChannelError)
  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws

  /// Gives up the message that ``trySend(_:passing:mayBlock:)`` last did not send to its end.
  ///
  /// - Returns: `false` when a part of it is in a stream: nothing but the rest of it would be understood there.
  func abandon() -> Bool

  /// Ends the line in order: what was sent can still be received.
  ///
  /// - Parameter isReceiving: whether this side still receives, by the same socket perhaps.
  func close(whileReceiving isReceiving: Bool)

  /// Called on another thread: the other side has gone, and whoever waits here is to look again.
  func peerEnded()
}

/// What a look at an incoming line came to.
enum Arrival {
  /// A message, whose bytes stay where they are until the next look.
  case message(UnsafeRawBufferPointer)
  /// Nothing yet, or not all of a message.
  case nothing
  /// Not all of a message, of which more may be there: only so much is taken in one ``Stride``.
  case unfinished
  /// The other side has closed, and everything was received.
  case end
}

/// One direction of a channel, as its receiver has it. One caller at a time uses it.
protocol IncomingLine: AnyObject, Sendable {
  /// Takes the next message, or as much of it as is there.
  ///
  /// - Parameters:
  ///   - limit: the largest message allowed, in bytes.
  ///   - mayBlock: whether to wait in the system call itself.
  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival

  /// After a look in vain: whether another may find something. It costs next to nothing where it can be `false`.
  var hasNews: Bool { get }

  /// Says, before a look that may block, whether nothing was sent since the last: then nobody waits for an answer, and
  /// the next messages are on their way, maybe.
  func note(isStream: Bool)

  /// How much has come of a message that is not complete; `nil` between messages.
  var partialByteCount: Int? { get }

  /// Moves the descriptors that came with the message last received; those for which there is no room are closed.
  func takeDescriptors(into received: inout ReceivedDescriptors)

  /// Waits until ``tryReceive(limit:mayBlock:)`` can go on.
  ///
  /// - Throws: a timeout.
  func waitForMessage(by deadline: Deadline) throws(ChannelError)
  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws

  /// Ends the line: what was sent and not received is lost.
  func close()

  /// Called on another thread: the other side has gone, and whoever waits here is to look again.
  func peerEnded()
}

/// How much of a long message, or of what is none, one look moves before its caller sees to the time and to its
/// cancellation.
struct Stride {
  private var left = 4 << 20

  /// - Returns: whether to go on after so many bytes more.
  mutating func goesOn(after byteCount: Int) -> Bool {
    // A piece without bytes costs a system call also.
    left -= byteCount + 512
    return left > 0
  }
}

extension IncomingLine {
  func note(isStream: Bool) {}
  var hasNews: Bool { true }
  func takeDescriptors(into received: inout ReceivedDescriptors) {}
}

extension ChannelError {
  /// The error that a message of `byteCount` bytes meets, which is more than allowed.
  static func tooLarge(_ byteCount: some BinaryInteger, limit: Int, _ direction: String) -> ChannelError {
    ChannelError(
      .messageTooLarge,
      "a message of \(byteCount) bytes was \(direction), and this channel's maximumMessageSize is \(limit); "
        + "raise it in Channel.Options on both sides, or send less at once")
  }
}
