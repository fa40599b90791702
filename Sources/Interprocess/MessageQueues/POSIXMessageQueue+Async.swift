extension POSIXMessageQueue {
  /// Sends a message; the task is suspended while the queue is full, and no thread is blocked.
  ///
  /// The corresponding C functions are `mq_timedsend` and `epoll_wait`. See ``send(_:priority:timeout:)-([UInt8],_,_)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: the message was not sent then.
  public func send(_ message: [UInt8], priority: UInt32 = 0, timeout: Duration? = nil) async throws {
    let deadline = Deadline(timeout)
    while try !trySend(message.span.bytes, priority: priority) {
      try await descriptor.becomeReady(.writable, by: deadline)
    }
  }

  /// Receives the next message; the task is suspended while there is none, and no thread is blocked.
  ///
  /// The corresponding C functions are `mq_timedreceive` and `epoll_wait`. See ``receive(timeout:)-(Duration?)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: no message was taken then.
  public func receive(timeout: Duration? = nil) async throws -> Message {
    let deadline = Deadline(timeout)
    while true {
      if let message = try tryReceive() { return message }
      try await descriptor.becomeReady(.readable, by: deadline)
    }
  }
}
