/// The two sides of a connection prove to each other that they have the same key, without sending it: each answers the
/// other's challenge. What is sent and received is what Python's `multiprocessing.connection` sends and receives, before
/// Python 3.12 and since.
///
/// No input or output happens here: messages go in, and what is to be sent comes out.
struct Handshake {
  /// The longest message of a handshake in bytes.
  static let longestMessage = 256
  /// How long the other side may take, whatever the caller's timeout: a stranger that says nothing holds up the others.
  static let patience = Duration.seconds(10)

  private enum Expected {
    case challenge, verdict, response
  }

  private static let challengeMark = Array("#CHALLENGE#".utf8)
  private static let welcome = Array("#WELCOME#".utf8)
  private static let failureMark = Array("#FAILURE#".utf8)

  private let key: AuthenticationKey
  private let challenge = AuthenticationKey.challenge()
  private var expected: [Expected]

  /// What to send before anything is received.
  let opening: [UInt8]?
  /// Why the two sides have nothing to do with each other.
  private(set) var failure: ChannelError?

  /// Whether both sides have proved that they have the key.
  var isDone: Bool { expected.isEmpty }

  /// - Parameter isListener: which side this is; the listener's challenge comes first.
  init(_ key: AuthenticationKey, isListener: Bool) {
    self.key = key
    expected = isListener ? [.response, .challenge, .verdict] : [.challenge, .verdict, .response]
    opening = isListener ? Self.challengeMark + challenge : nil
  }

  /// Takes a message from the other side.
  ///
  /// - Returns: what to send; then ``failure`` says whether that was all.
  mutating func take(_ message: [UInt8]) -> [UInt8]? {
    guard !expected.isEmpty else { return nil }
    switch expected.removeFirst() {
    case .challenge: return answer(message)
    case .verdict:
      guard message == Self.welcome else {
        failure = ChannelError(
          .authenticationFailed, "the other side refused this side's authentication key; both need the same one")
        return nil
      }
      return expected.isEmpty ? nil : Self.challengeMark + challenge
    case .response:
      if key.accepts(message, asAnswerTo: challenge) { return Self.welcome }
      failure = ChannelError(
        .authenticationFailed, "the other side has another authentication key, or none; both need the same one")
      return Self.failureMark
    }
  }

  private mutating func answer(_ message: [UInt8]) -> [UInt8]? {
    if message.starts(with: Self.challengeMark),
      let answer = key.answer(to: Array(message.dropFirst(Self.challengeMark.count)))
    {
      return answer
    }
    failure = ChannelError(
      .authenticationFailed, "the other side sent no challenge that is understood; it may have no authentication key")
    return nil
  }
}

extension Channel {
  /// Proves to the other side that this one has the key, and has it prove the same.
  func authenticate(_ key: AuthenticationKey, isListener: Bool, by deadline: Deadline) throws(ChannelError) {
    var handshake = Handshake(key, isListener: isListener)
    let deadline = deadline.earlier(of: Deadline(Handshake.patience))
    if let opening = handshake.opening { try send(opening, timeout: deadline.remaining) }
    while !handshake.isDone {
      let message = try receive(atMost: Handshake.longestMessage, by: deadline)
      guard let message else { throw .endedInHandshake }
      if let reply = handshake.take(message) { try send(reply, timeout: deadline.remaining) }
      if let failure = handshake.failure { throw failure }
    }
  }

  /// Proves to the other side that this one has the key, and has it prove the same; the task is suspended meanwhile.
  nonisolated(nonsending) func authenticate(
    _ key: AuthenticationKey, isListener: Bool, by deadline: Deadline
  ) async throws {
    var handshake = Handshake(key, isListener: isListener)
    let deadline = deadline.earlier(of: Deadline(Handshake.patience))
    if let opening = handshake.opening { try await send(opening, timeout: deadline.remaining) }
    while !handshake.isDone {
      let message = try await receive(atMost: Handshake.longestMessage, by: deadline)
      guard let message else { throw ChannelError.endedInHandshake }
      if let reply = handshake.take(message) { try await send(reply, timeout: deadline.remaining) }
      if let failure = handshake.failure { throw failure }
    }
  }

  private func receive(atMost limit: Int, by deadline: Deadline) throws(ChannelError) -> [UInt8]? {
    var none = ReceivedDescriptors(atMost: 0)
    return try withReceivedMessage(atMost: limit, by: deadline, receiving: &none) { [UInt8](copying: $0) }
  }

  private nonisolated(nonsending) func receive(atMost limit: Int, by deadline: Deadline) async throws -> [UInt8]? {
    var none = ReceivedDescriptors(atMost: 0)
    return try await withReceivedMessage(atMost: limit, by: deadline, receiving: &none) { [UInt8](copying: $0) }
  }
}

extension ChannelError {
  fileprivate static var endedInHandshake: ChannelError {
    ChannelError(
      .authenticationFailed, "the other side closed the connection before both had proved that they have the key")
  }
}
