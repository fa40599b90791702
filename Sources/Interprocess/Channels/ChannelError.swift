import SystemPackage

/// Why a channel could not send or receive.
public struct ChannelError: Error, Hashable, Sendable {
  /// What went wrong, in kind.
  public struct Code: Hashable, Sendable {
    private let name: String

    private init(_ name: String) { self.name = name }

    /// The other side ended without closing its channel: it crashed, or was killed.
    public static let peerDied = Code("peerDied")
    /// The other side has closed its channel, so nothing more can be sent.
    public static let peerClosed = Code("peerClosed")
    /// The other side ended in the middle of a message.
    public static let truncatedMessage = Code("truncatedMessage")
    /// A message is larger than the channel's ``Channel/Options/maximumMessageSize``.
    public static let messageTooLarge = Code("messageTooLarge")
    /// What came is no message: the other side is not a channel of the same kind, or is hostile.
    public static let malformedMessage = Code("malformedMessage")
    /// This side has closed the channel.
    public static let closed = Code("closed")
    /// An earlier message was given up half-way, by a timeout or a cancellation, and a stream cannot take that back.
    public static let brokenStream = Code("brokenStream")
    /// The other side does not have the same authentication key.
    public static let authenticationFailed = Code("authenticationFailed")
    /// The channel does not do this: a mailbox goes one way only, and few mechanisms carry descriptors.
    public static let notPossible = Code("notPossible")
    /// A system call failed; ``ChannelError/systemError`` says which. A timeout is one of these.
    public static let system = Code("system")
  }

  /// What happened, to tell cases apart.
  public let code: Code

  /// What happened, for a person.
  public let message: String

  /// The system's reason, where ``code`` is ``Code/system``.
  public let systemError: InterprocessError?

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
    systemError = nil
  }

  init(_ error: InterprocessError) {
    code = .system
    message = "\(error)"
    systemError = error
  }

  /// Whether the call gave up because its `timeout` had passed.
  public var isTimeout: Bool { systemError?.isTimeout ?? false }

  static var peerDied: ChannelError {
    ChannelError(.peerDied, "the other side ended without closing the channel: it crashed or was killed")
  }

  static func timedOut(_ call: String, _ remedy: String) -> ChannelError {
    ChannelError(InterprocessError(call: call, errno: .timedOut, remedy: remedy))
  }
}

extension ChannelError: CustomStringConvertible {
  public var description: String { message }
}

/// Calls `body`, and makes a system's error of it a channel's.
@inline(__always)
func asChannelError<Value>(_ body: () throws(InterprocessError) -> Value) throws(ChannelError) -> Value {
  do {
    return try body()
  } catch {
    throw ChannelError(error)
  }
}
