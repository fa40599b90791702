extension Channel {
  /// The longest message that is sent by one step, where there is room.
  private static let shortMessage = 16 << 10

  /// Sends a short message, if nobody else is sending and there is room for the beginning at least; of a stream that has
  /// no room for the rest, a task sees to that.
  ///
  /// - Returns: whether it was sent, or is being sent; else nothing of it was.
  package func trySendAtOnce(_ message: [UInt8]) throws(ChannelError) -> Bool {
    guard message.count <= Self.shortMessage else { return false }
    let line = try outgoingLine(for: message.span.bytes, [])
    guard sending.take(by: .passed) else { return false }
    var isLeftToTask = false
    defer { if !isLeftToTask { release(sending) } }
    try checkSending()
    do throws(ChannelError) {
      if try line.trySend(message.span.bytes, passing: [], mayBlock: false) == .sent { return true }
    } catch {
      giveUpSending(line)
      throw error
    }
    if line.abandon() { return false }
    isLeftToTask = true
    Task.detached { await self.finish(message, line) }
    return true
  }

  /// Sends the rest of a message, whose turn it is until then.
  private func finish(_ message: [UInt8], _ line: any OutgoingLine) async {
    defer { release(sending) }
    do {
      while try line.trySend(message.span.bytes, passing: [], mayBlock: false) != .sent {
        try await line.waitForRoom(by: .never)
      }
    } catch {
      giveUpSending(line)
    }
  }

  /// - Returns: `false` when nothing came in time.
  private nonisolated(nonsending) func waitForMessage(
    _ line: any IncomingLine, by deadline: Deadline
  ) async throws -> Bool {
    do {
      try await line.waitForMessage(by: deadline)
      return true
    } catch {
      let error = error.asChannelError
      if (error as? ChannelError)?.isTimeout == true { return false }
      throw error
    }
  }

  /// Receives a message, if all of it is there and nobody else is receiving.
  package func tryReceive() throws(ChannelError) -> [UInt8]? {
    let line = try incomingLine()
    guard receiving.take(by: .passed) else { return nil }
    defer { release(receiving) }
    try checkReceiving()
    guard case .message(let bytes) = try line.tryReceive(limit: options.maximumMessageSize, mayBlock: false) else {
      return nil
    }
    var none = ReceivedDescriptors(atMost: 0)
    line.takeDescriptors(into: &none)
    return [UInt8](bytes)
  }

  /// Whether the beginning of a message has been received, and not the rest. Where somebody is receiving just now, that is
  /// for them to see.
  package var hasPartOfMessage: Bool {
    guard let incoming, receiving.take(by: .passed) else { return false }
    defer { release(receiving) }
    return incoming.partialByteCount != nil
  }

  /// Receives the next message. One that has begun has to go on.
  ///
  /// - Parameter patience: how long nothing may come in the middle of a message.
  /// - Throws: what the other forms throw; ``ChannelError/Code/malformedMessage`` where half a message is all that comes.
  package nonisolated(nonsending) func receive(pausingAtMost patience: Duration) async throws -> [UInt8]? {
    let line = try incomingLine()
    try await receiving.take(by: .never)
    defer { release(receiving) }
    try checkReceiving()
    var partial: Int?
    var hasPaused = false
    while true {
      switch try line.tryReceive(limit: options.maximumMessageSize, mayBlock: false) {
      case .message(let bytes):
        var none = ReceivedDescriptors(atMost: 0)
        line.takeDescriptors(into: &none)
        return [UInt8](bytes)
      case .end: return nil
      case .unfinished: await Task.yield()
      case .nothing:
        if hasPaused, line.partialByteCount == partial {
          throw ChannelError(.malformedMessage, "half a message came, and no more of it")
        }
        partial = line.partialByteCount
        hasPaused = try await !waitForMessage(line, by: partial == nil ? .never : Deadline(patience))
      }
    }
  }
}
