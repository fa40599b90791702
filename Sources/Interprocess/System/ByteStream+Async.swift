import SystemPackage

extension ByteReader where Self: ~Copyable {
  /// Reads what is there, at least one byte, and appends it to `buffer`; the task is suspended until something comes.
  ///
  /// The corresponding C functions are those of the blocking form, and `epoll_wait`.
  ///
  /// - Returns: how many bytes came; 0 when the other side has closed and everything was read.
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` as soon as the task is cancelled,
  ///   and then nothing was read.
  public nonisolated(nonsending) func read(
    into buffer: inout OutputRawSpan, timeout: Duration? = nil
  ) async throws -> Int {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let count = try tryRead(into: &buffer) { return count }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: "read")
    }
  }

  /// Reads what is there, at least one byte and at most `count`; empty when the other side has closed. The task is
  /// suspended until something comes. See ``read(into:timeout:)``.
  public nonisolated(nonsending) func read(upTo count: Int, timeout: Duration? = nil) async throws -> [UInt8] {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let bytes = try tryRead(upTo: count) { return bytes }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: "read")
    }
  }

  /// Reads `count` bytes, however many pieces they come in; the task is suspended meanwhile.
  ///
  /// - Parameter timeout: how long the whole may take.
  /// - Returns: the bytes, or `nil` when the other side closed before the first of them.
  /// - Throws: as the blocking form does; `CancellationError`: what had come by then is lost.
  public nonisolated(nonsending) func read(exactly count: Int, timeout: Duration? = nil) async throws -> [UInt8]? {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
      guard let piece = try tryRead(upTo: count - bytes.count) else {
        try await becomeReady(fileDescriptor, .readable, by: deadline, for: "read")
        continue
      }
      if piece.isEmpty {
        if bytes.isEmpty { return nil }
        throw InterprocessError.endedEarly(after: bytes.count, of: count)
      }
      bytes += piece
    }
    return bytes
  }
}

extension ByteWriter where Self: ~Copyable {
  /// Writes all of `bytes`; the task is suspended whenever there is no room.
  ///
  /// The corresponding C functions are those of the blocking form, and `epoll_wait`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` as soon as the task is cancelled: a
  ///   part of `bytes` may have been written by then.
  public nonisolated(nonsending) func write(_ bytes: RawSpan, timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    var written = 0
    while written < bytes.byteCount {
      if let count = try tryWrite(bytes.extracting(written..<bytes.byteCount)) {
        written += count
      } else {
        try await becomeReady(fileDescriptor, .writable, by: deadline, for: "write")
      }
    }
  }

  /// Writes all of `bytes`; the task is suspended whenever there is no room.
  public nonisolated(nonsending) func write(_ bytes: [UInt8], timeout: Duration? = nil) async throws {
    try await write(bytes.span.bytes, timeout: timeout)
  }
}

/// Suspends until a descriptor that `call` found not ready is; the error names that call, as the blocking form's does.
nonisolated(nonsending) func becomeReady(
  _ descriptor: FileDescriptor, _ readiness: Readiness, by deadline: Deadline, for call: StaticString,
  on object: @autoclosure () -> String? = nil, remedy: String? = nil
) async throws {
  do {
    if deadline.hasPassed { throw InterprocessError(call: "\(call)", errno: .timedOut) }
    try await Reactor.shared().wait(for: descriptor.rawValue, readiness, by: deadline)
  } catch let error as InterprocessError where error.isTimeout {
    let object = object() ?? "descriptor \(descriptor.rawValue)"
    throw InterprocessError(call: "\(call)", object: object, errno: .timedOut, remedy: remedy)
  }
}
