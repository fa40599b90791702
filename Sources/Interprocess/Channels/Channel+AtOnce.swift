import CInterprocess

extension Channel {
  /// The longest message that is sent by one step, where there is room.
  private static let shortMessage = 16 << 10 - StreamFrame.longestHead

  /// Sends a short message, if nobody else is sending and there is room for the beginning at least; of a stream that has
  /// no room for the rest, a task sees to that.
  ///
  /// - Returns: whether it was sent, or is being sent; else nothing of it was.
  package func trySendAtOnce(_ message: [UInt8]) throws(ChannelError) -> Bool {
    guard message.count <= Self.shortMessage else { return false }
    let line = try outgoingLine(for: message.span.bytes, [])
    noteSending()
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
        try await waitForRoom(line, by: .never)
      }
    } catch {
      giveUpSending(line)
    }
  }

  /// Looks for a message again and again, if nobody else is receiving; blocks the thread meanwhile.
  ///
  /// - Parameters:
  ///   - end: until when, as ``MonotonicTime`` has it; once at least.
  ///   - isWanted: asked now and then whether to go on.
  package func receive(
    lookingUntil end: Int64, while isWanted: () -> Bool
  ) throws(ChannelError) -> [UInt8]? {
    let line = try incomingLine()
    guard receiving.take(by: .passed) else { return nil }
    defer { release(receiving) }
    try checkReceiving()
    var mayHaveCome = true
    repeat {
      looks: for _ in 0..<16 {
        if mayHaveCome {
          switch try line.tryReceive(limit: options.maximumMessageSize, mayBlock: false) {
          case .message(let bytes): return line.take(bytes)
          case .unfinished: break looks
          case .nothing, .end: break
          }
        }
        ci_spin_pause()
        mayHaveCome = line.hasNews
      }
    } while isWanted() && MonotonicTime.now < end
    return nil
  }

  /// Whether nothing has come that was not received: no message, nor the beginning of one. Where somebody is receiving just
  /// now, that is for them to see.
  ///
  /// - Throws: what receiving it would.
  package func isQuiet() throws(ChannelError) -> Bool {
    guard let incoming, receiving.take(by: .passed) else { return true }
    defer { release(receiving) }
    try checkReceiving()
    if case .message = try incoming.tryReceive(limit: options.maximumMessageSize, mayBlock: false) { return false }
    return incoming.partialByteCount == nil
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
    var none = ReceivedDescriptors(atMost: 0)
    return try await withReceivedMessage(
      atMost: options.maximumMessageSize, by: .never, pausingAtMost: patience, receiving: &none
    ) { [UInt8](copying: $0) }
  }
}

extension IncomingLine {
  /// A copy of the message that has just come; the descriptors that came with it are closed.
  fileprivate func take(_ message: UnsafeRawBufferPointer) -> [UInt8] {
    var none = ReceivedDescriptors(atMost: 0)
    takeDescriptors(into: &none)
    return [UInt8](message)
  }
}
