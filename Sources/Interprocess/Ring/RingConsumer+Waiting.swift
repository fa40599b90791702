public import SystemPackage

extension RingConsumer {
  /// Receives a message and appends it to `buffer`, waiting for it: spinning for a moment, then asleep.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Returns: its length in bytes; `nil` when the producer has closed the ring and nothing more comes.
  /// - Throws: `Errno.timedOut`; `Errno.canceled`, see ``RingInterrupter/cancel()``; and what
  ///   ``tryReceive(into:)`` throws.
  public mutating func receive(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int? {
    if let byteCount = try tryReceive(into: &buffer) { return byteCount }
    return try waitForMessage(by: Deadline(timeout)) ? tryReceive(into: &buffer) : nil
  }

  /// Receives a message, waiting for it. See `receive(into:timeout:)`.
  ///
  /// - Returns: `nil` when the producer has closed the ring and nothing more comes.
  public mutating func receive(timeout: Duration? = nil) throws(InterprocessError) -> [UInt8]? {
    try waitForMessage(by: Deadline(timeout)) ? tryReceive() : nil
  }

  /// Waits for a message and takes none out.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`.
  ///
  /// - Returns: whether there is one; `false` when the producer has closed the ring and nothing more comes.
  /// - Throws: as `receive(into:timeout:)` does.
  public mutating func waitForMessage(timeout: Duration? = nil) throws(InterprocessError) -> Bool {
    try waitForMessage(by: Deadline(timeout))
  }

  mutating func waitForMessage(by deadline: Deadline) throws(InterprocessError) -> Bool {
    while try tryNextByteCount() == nil {
      if hasEnded { return false }
      try link.waitForChange(from: seen, by: deadline, for: nextRecord, "RingConsumer.receive")
    }
    return true
  }

  /// Hands `body` every message that is there, where it lies; those that come meanwhile are for the next time.
  ///
  /// **For a producer that is trusted**; see ``tryPeekTrustingPeer()``.
  ///
  /// - Returns: how many there were.
  /// - Throws: what ``tryNextByteCount()`` throws; what `body` throws, and then that message is still there.
  @discardableResult
  public mutating func receiveAllTrustingPeer(_ body: (RawSpan) throws -> Void) throws -> Int {
    var count = 0
    while try tryNextByteCount() != nil {
      try body(nextMessage)
      consume()
      count += 1
      if hasTakenAllKnown { break }
    }
    return count
  }

  // MARK: Event loops and tasks

  /// Asks the producer to ring this side's bell at its next message. A look that found none comes before.
  ///
  /// - Returns: whether to wait for ``bell`` to become readable; `false` when something has changed already: try again
  ///   instead.
  /// - Throws: `Errno.invalidArgument` when this side has no bell; `Errno.notSupported` where the bell might stay silent,
  ///   as this process is refused `membarrier` and the ring's maker was not.
  public mutating func armBell() throws(InterprocessError) -> Bool {
    try link.armBell(from: seen, "RingConsumer.armBell")
  }

  /// The bell's descriptor, for an event loop to wait for; -1 without a bell.
  public var bell: FileDescriptor { link.bell }

  /// Makes the bell silent again, after it was readable.
  public func silenceBell() { link.silenceBell() }

  /// Receives a message and appends it to `buffer`; the task is suspended until it comes. This side needs a bell.
  ///
  /// - Returns: its length in bytes; `nil` when the producer has closed the ring and nothing more comes.
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was received.
  public nonisolated(nonsending) mutating func receive(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) async throws -> Int? {
    try await becomeReady(by: Deadline(timeout)) ? tryReceive(into: &buffer) : nil
  }

  /// Receives a message; the task is suspended until it comes. This side needs a bell.
  ///
  /// - Returns: `nil` when the producer has closed the ring and nothing more comes.
  public nonisolated(nonsending) mutating func receive(timeout: Duration? = nil) async throws -> [UInt8]? {
    try await becomeReady(by: Deadline(timeout)) ? tryReceive() : nil
  }

  /// Suspends until there is a message; `false` when nothing more comes.
  nonisolated(nonsending) mutating func becomeReady(by deadline: Deadline) async throws -> Bool {
    try Task.checkCancellation()
    while try tryNextByteCount() == nil {
      if hasEnded { return false }
      try await link.suspend(from: seen, by: deadline, for: nextRecord, "RingConsumer.receive")
    }
    return true
  }
}
