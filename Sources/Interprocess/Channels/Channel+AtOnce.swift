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
}
