extension POSIXMessageQueue {
  /// Sends a message; the task is suspended while the queue is full, and no thread is blocked.
  ///
  /// The corresponding C functions are `mq_timedsend` and `epoll_wait`. See ``send(_:priority:timeout:)-(RawSpan,_,_)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: the message was not sent then.
  public nonisolated(nonsending) func send(
    _ message: RawSpan, priority: UInt32 = 0, timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while try !trySend(message, priority: priority) {
      try await becomeReady(
        descriptor.fileDescriptor, .writable, by: deadline, for: "mq_send", on: quotedName, remedy: "the queue is full")
    }
  }

  /// Sends a message; the task is suspended while the queue is full, and no thread is blocked.
  ///
  /// The corresponding C functions are `mq_timedsend` and `epoll_wait`. See ``send(_:priority:timeout:)-([UInt8],_,_)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: the message was not sent then.
  public nonisolated(nonsending) func send(
    _ message: [UInt8], priority: UInt32 = 0, timeout: Duration? = nil
  ) async throws {
    try await send(message.span.bytes, priority: priority, timeout: timeout)
  }

  /// Receives the next message and appends it to `buffer`; the task is suspended while there is none, and no thread is
  /// blocked.
  ///
  /// The corresponding C functions are `mq_timedreceive` and `epoll_wait`. See
  /// ``receive(into:timeout:)``.
  ///
  /// - Returns: the message's priority.
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: no message was taken then.
  @discardableResult
  public nonisolated(nonsending) func receive(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) async throws -> UInt32 {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let priority = try tryReceive(into: &buffer) { return priority }
      try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "mq_receive", on: quotedName)
    }
  }

  /// Receives the next message; the task is suspended while there is none, and no thread is blocked.
  ///
  /// The corresponding C functions are `mq_timedreceive` and `epoll_wait`. See ``receive(timeout:)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` as soon as the task is cancelled: no message was taken then.
  public nonisolated(nonsending) func receive(timeout: Duration? = nil) async throws -> Message {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let message = try tryReceive() { return message }
      try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "mq_receive", on: quotedName)
    }
  }
}
