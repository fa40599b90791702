public import SystemPackage

extension RingProducer {
  /// Sends a message, waiting while there is no room for it: spinning for a moment, then asleep.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.canceled`, see ``RingInterrupter/cancel()``; and what `trySend(_:)` throws.
  public mutating func send(_ message: RawSpan, timeout: Duration? = nil) throws(InterprocessError) {
    if try trySend(message) { return }
    publish()
    let deadline = Deadline(timeout)
    repeat { try link.waitForChange(from: seen, by: deadline, "RingProducer.send") } while try !trySend(message)
  }

  /// Sends a message. See ``send(_:timeout:)``.
  public mutating func send(_ message: [UInt8], timeout: Duration? = nil) throws(InterprocessError) {
    try send(message.span.bytes, timeout: timeout)
  }

  /// Waits for room for a message of `byteCount` bytes: then `trySend(_:)` and ``tryReserve(_:)`` succeed.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`.
  ///
  /// - Throws: as `send(_:timeout:)` does.
  public mutating func waitForRoom(byteCount: Int, timeout: Duration? = nil) throws(InterprocessError) {
    try waitForRoom(byteCount: byteCount, by: Deadline(timeout))
  }

  mutating func waitForRoom(byteCount: Int, by deadline: Deadline) throws(InterprocessError) {
    publish()
    while try !hasRoom(for: byteCount) { try link.waitForChange(from: seen, by: deadline, "RingProducer.waitForRoom") }
  }

  mutating func hasRoom(for byteCount: Int) throws(InterprocessError) -> Bool {
    let hasRoom = try tryReserve(byteCount) != nil
    return hasRoom
  }

  /// Waits for room, and lets `write` write the message in place.
  ///
  /// - Parameters:
  ///   - byteCount: the most that `write` may append; what it has appended is the message.
  ///   - timeout: how long to wait; `nil` waits for ever.
  /// - Throws: as `send(_:timeout:)` does; what `write` throws, and then nothing was sent.
  public mutating func send(
    upTo byteCount: Int, timeout: Duration? = nil, _ write: (inout OutputRawSpan) throws -> Void
  ) throws {
    try waitForRoom(byteCount: byteCount, timeout: timeout)
    guard let written = try fill(byteCount, write) else { return }
    commit(byteCount: written)
  }

  private mutating func fill(
    _ byteCount: Int, _ write: (inout OutputRawSpan) throws -> Void
  ) throws -> Int? {
    guard var room = try tryReserve(byteCount) else { return nil }
    return try room.withUnsafeMutableBytes { bytes in
      var output = OutputRawSpan(buffer: bytes, initializedCount: 0)
      try write(&output)
      return output.finalize(for: bytes)
    }
  }

  // MARK: Event loops and tasks

  /// Asks the consumer to ring this side's bell when it has taken something. A send that found no room comes before.
  ///
  /// - Returns: whether to wait for ``bell`` to become readable; `false` when something has changed already: try again
  ///   instead.
  /// - Throws: `Errno.invalidArgument` when this side has no bell; `Errno.notSupported` where the bell might stay silent,
  ///   as this process is refused `membarrier` and the ring's maker was not.
  public mutating func armBell() throws(InterprocessError) -> Bool {
    publish()
    return try link.armBell(from: seen, "RingProducer.armBell")
  }

  /// The bell's descriptor, for an event loop to wait for; -1 without a bell.
  public var bell: FileDescriptor { link.bell }

  /// Makes the bell silent again, after it was readable.
  public func silenceBell() { link.silenceBell() }

  /// Sends a message; the task is suspended while there is no room. This side needs a bell.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was sent.
  public nonisolated(nonsending) mutating func send(_ message: RawSpan, timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while try !trySend(message) {
      publish()
      try await link.suspend(from: seen, by: deadline, "RingProducer.send")
    }
  }

  /// Sends a message; the task is suspended while there is no room. This side needs a bell.
  public nonisolated(nonsending) mutating func send(_ message: [UInt8], timeout: Duration? = nil) async throws {
    try await send(message.span.bytes, timeout: timeout)
  }
}
