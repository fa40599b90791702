public import SystemPackage

extension Channel {
  /// Sends a message; the task is suspended while the other side has no room for it.
  ///
  /// - Throws: ``ChannelError`` as the blocking form does; `CancellationError` as soon as the task is cancelled: the
  ///   message was not sent then, or is withdrawn, with the blocking form's exception.
  public nonisolated(nonsending) func send(
    _ message: RawSpan, passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    let line = try outgoingLine(for: message, descriptors)
    noteSending()
    let deadline = Deadline(timeout)
    try await sending.take(by: deadline)
    defer { release(sending) }
    try checkSending()
    do {
      while true {
        let departure = try line.trySend(message, passing: descriptors.rawValues, mayBlock: false)
        if departure == .sent { return }
        if deadline.hasPassed { throw ChannelError.sendingTimedOut }
        if departure == .noRoom { try await waitForRoom(line, by: deadline) } else { try await giveOthersATurn() }
      }
    } catch {
      giveUpSending(line)
      throw error.asChannelError
    }
  }

  /// Sends a message; the task is suspended while the other side has no room for it.
  public nonisolated(nonsending) func send(
    _ message: [UInt8], passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) async throws {
    try await send(message.span.bytes, passing: descriptors, timeout: timeout)
  }

  /// Receives the next message, and calls `body` with its bytes; the task is suspended until it has come.
  ///
  /// - Returns: what `body` returned; `nil` when the other side has closed, and everything was received.
  /// - Throws: ``ChannelError`` as the blocking form does; `CancellationError` as soon as the task is cancelled: no
  ///   message is lost.
  public nonisolated(nonsending) func withReceivedMessage<Result>(
    timeout: Duration? = nil, receiving received: inout ReceivedDescriptors, _ body: (RawSpan) -> Result
  ) async throws -> Result? {
    try await withReceivedMessage(
      atMost: options.maximumMessageSize, by: Deadline(timeout), receiving: &received, body)
  }

  nonisolated(nonsending) func withReceivedMessage<Result>(
    atMost limit: Int, by deadline: Deadline, pausingAtMost patience: Duration? = nil,
    receiving received: inout ReceivedDescriptors, _ body: (RawSpan) -> Result
  ) async throws -> Result? {
    try Task.checkCancellation()
    let line = try incomingLine()
    try await receiving.take(by: deadline)
    defer { release(receiving) }
    try checkReceiving()
    var partial: Int?
    var hasPaused = false
    while true {
      switch try line.tryReceive(limit: limit, mayBlock: false) {
      case .message(let bytes):
        line.takeDescriptors(into: &received)
        return body(RawSpan(_unsafeBytes: bytes))
      case .end: return nil
      case .unfinished:
        if deadline.hasPassed { throw ChannelError.receivingTimedOut }
        try await giveOthersATurn()
      case .nothing:
        if deadline.hasPassed { throw ChannelError.receivingTimedOut }
        let came = patience == nil ? nil : line.partialByteCount
        if hasPaused, came == partial {
          throw ChannelError(.malformedMessage, "half a message came, and no more of it")
        }
        partial = came
        hasPaused = false
        do {
          try await line.waitForMessage(by: came == nil ? deadline : deadline.earlier(of: Deadline(patience)))
        } catch {
          let error = error.asChannelError
          hasPaused = came != nil && (error as? ChannelError)?.isTimeout == true && !deadline.hasPassed
          if !hasPaused { throw error }
        }
      }
    }
  }

  /// Receives the next message, and calls `body` with its bytes; the task is suspended until it has come.
  public nonisolated(nonsending) func withReceivedMessage<Result>(
    timeout: Duration? = nil, _ body: (RawSpan) -> Result
  ) async throws -> Result? {
    var none = ReceivedDescriptors(atMost: 0)
    return try await withReceivedMessage(timeout: timeout, receiving: &none, body)
  }

  /// Receives the next message; the task is suspended until it has come.
  ///
  /// - Returns: `nil` when the other side has closed, and everything was received.
  public nonisolated(nonsending) func receive(timeout: Duration? = nil) async throws -> [UInt8]? {
    try await withReceivedMessage(timeout: timeout) { [UInt8](copying: $0) }
  }

  /// Receives the next message and the descriptors that came with it; the task is suspended until it has come.
  public nonisolated(nonsending) func receive(
    receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> [UInt8]? {
    try await withReceivedMessage(timeout: timeout, receiving: &received) { [UInt8](copying: $0) }
  }

  /// The messages that come, until the other side closes.
  ///
  /// Each is received when it is asked for: a loop that is slow makes the sender wait.
  public var messages: Messages { Messages(channel: self) }

  /// The messages of a channel. See ``Channel/messages``.
  public struct Messages: AsyncSequence, Sendable {
    let channel: Channel

    public struct AsyncIterator: AsyncIteratorProtocol {
      let channel: Channel

      public mutating func next(
        isolation actor: isolated (any Actor)? = #isolation
      ) async throws -> [UInt8]? {
        try await channel.receive()
      }

      public mutating func next() async throws -> [UInt8]? { try await channel.receive() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(channel: channel) }
  }
}

/// Where this process has nothing left to wait with, it looks again in a moment: to give up in the middle of a message
/// would end the channel.
nonisolated(nonsending) func waitForRoom(_ line: any OutgoingLine, by deadline: Deadline) async throws {
  do {
    try await line.waitForRoom(by: deadline)
  } catch {
    let reason = (error as? ChannelError)?.systemError ?? error as? InterprocessError
    guard reason?.isLackOfResources == true else { throw error }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// In the middle of a long message: other tasks need the thread, and this one may have been cancelled.
private nonisolated(nonsending) func giveOthersATurn() async throws {
  await Task.yield()
  try Task.checkCancellation()
}

extension Error {
  /// The same error, a channel's if it was a system call's.
  fileprivate var asChannelError: any Error {
    (self as? InterprocessError).map(ChannelError.init) ?? self
  }
}
