public import SystemPackage

extension UnixSocket {
  /// Writes all of `bytes`, and passes descriptors along with the first of them. The other process gets descriptors of
  /// its own for the same open files; this process keeps its own, and may close them at once.
  ///
  /// The corresponding C function is `sendmsg` with `SCM_RIGHTS`.
  ///
  /// - Parameters:
  ///   - bytes: at least one: descriptors cannot travel alone in a stream.
  ///   - descriptors: at most 253.
  ///   - timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: `Errno.brokenPipe` when the other side has closed; `Errno.invalidArgument` for too many descriptors or
  ///   no bytes; `Errno.badFileDescriptor` when one is not open; `Errno.tooManyReferences` when more are on their way
  ///   than this user may have open; `Errno.timedOut`: a part of `bytes`, and the descriptors, may have been sent then.
  public func write(
    _ bytes: RawSpan, passing descriptors: [FileDescriptor], timeout: Duration? = nil
  ) throws(InterprocessError) {
    let deadline = Deadline(timeout)
    while true {
      if let count = try sendFirst(bytes, descriptors, waiting: deadline.isNever) {
        if count == bytes.byteCount { return }
        return try write(bytes.extracting(count..<bytes.byteCount), timeout: deadline.remaining)
      }
      try waitUntilReady(fileDescriptor, .writable, by: deadline, for: "sendmsg")
    }
  }

  /// Writes all of `bytes` and passes descriptors along. See `write(_:passing:timeout:)`.
  public func write(
    _ bytes: [UInt8], passing descriptors: [FileDescriptor], timeout: Duration? = nil
  ) throws(InterprocessError) {
    try write(bytes.span.bytes, passing: descriptors, timeout: timeout)
  }

  /// Writes all of `bytes` and passes descriptors along; the task is suspended whenever there is no room.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` as soon as the task is cancelled: a
  ///   part of `bytes`, and the descriptors, may have been sent by then.
  public nonisolated(nonsending) func write(
    _ bytes: RawSpan, passing descriptors: [FileDescriptor], timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let count = try sendFirst(bytes, descriptors, waiting: false) {
        // What has gone has gone: only what is left may be cancelled.
        if count < bytes.byteCount {
          try await write(bytes.extracting(count..<bytes.byteCount), timeout: deadline.remaining)
        }
        return
      }
      try await becomeReady(fileDescriptor, .writable, by: deadline, for: "sendmsg")
    }
  }

  /// Writes all of `bytes` and passes descriptors along; the task is suspended whenever there is no room.
  public nonisolated(nonsending) func write(
    _ bytes: [UInt8], passing descriptors: [FileDescriptor], timeout: Duration? = nil
  ) async throws {
    try await write(bytes.span.bytes, passing: descriptors, timeout: timeout)
  }

  private func sendFirst(
    _ bytes: RawSpan, _ descriptors: [FileDescriptor], waiting: Bool
  ) throws(InterprocessError) -> Int? {
    guard bytes.byteCount > 0 else {
      throw .refused("sendmsg", "socket \(descriptor.rawValue)", "descriptors travel with at least one byte")
    }
    return try descriptor.sendMessage(bytes, passing: descriptors, to: nil, waiting: waiting)
  }

  /// Reads what is there, at least one byte, and the descriptors that were passed with it. They are closed in programs
  /// that this process executes.
  ///
  /// Bytes with descriptors are never joined with those that come after them. A plain ``read(into:timeout:)`` drops
  /// descriptors; the kernel closes them.
  ///
  /// The corresponding C function is `recvmsg` with `MSG_CMSG_CLOEXEC`.
  ///
  /// - Parameter received: gets the descriptors, up to its limit; the others are closed.
  /// - Returns: how many bytes came; 0 when the other side has closed.
  /// - Throws: `Errno.timedOut`; `Errno.invalidArgument` when `buffer` has no room; `Errno.tooManyOpenFiles` when this
  ///   process may not have so many descriptors: the bytes came, and the descriptors that fitted.
  public func read(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int {
    let deadline = Deadline(timeout)
    while true {
      if let count = try receive(&buffer, &received, waiting: deadline.isNever) { return count }
      try waitUntilReady(fileDescriptor, .readable, by: deadline, for: "recvmsg")
    }
  }

  /// Reads at most `count` bytes, and the descriptors passed with them. See `read(into:receiving:timeout:)`; when it throws
  /// `Errno.tooManyOpenFiles`, the bytes are lost with the descriptors that found no room.
  public func read(
    upTo count: Int, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws(InterprocessError) -> [UInt8] {
    let deadline = Deadline(timeout)
    while true {
      if let bytes = try receive(upTo: count, &received, waiting: deadline.isNever) { return bytes }
      try waitUntilReady(fileDescriptor, .readable, by: deadline, for: "recvmsg")
    }
  }

  /// Reads at most `count` bytes that are there now, and the descriptors passed with them. See
  /// `read(upTo:receiving:timeout:)`, also for what `Errno.tooManyOpenFiles` means.
  ///
  /// - Returns: `nil` when nothing is there; empty when the other side has closed.
  public func tryRead(
    upTo count: Int, receiving received: inout ReceivedDescriptors
  ) throws(InterprocessError) -> [UInt8]? {
    try receive(upTo: count, &received, waiting: false)
  }

  /// Reads what is there, at least one byte, and the descriptors that were passed with it; the task is suspended until
  /// something comes.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then nothing was read.
  public nonisolated(nonsending) func read(
    into buffer: inout OutputRawSpan, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> Int {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let count = try receive(&buffer, &received, waiting: false) { return count }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: "recvmsg")
    }
  }

  /// Reads at most `count` bytes, and the descriptors passed with them; the task is suspended until something comes.
  public nonisolated(nonsending) func read(
    upTo count: Int, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> [UInt8] {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let bytes = try receive(upTo: count, &received, waiting: false) { return bytes }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: "recvmsg")
    }
  }

  private func receive(
    _ buffer: inout OutputRawSpan, _ received: inout ReceivedDescriptors, waiting: Bool
  ) throws(InterprocessError) -> Int? {
    guard buffer.freeCapacity > 0 else {
      throw .refused("recvmsg", "socket \(descriptor.rawValue)", "the buffer has no room")
    }
    return try descriptor.receiveMessage(into: &buffer, receiving: &received, isStream: true, waiting: waiting)?.count
  }

  private func receive(
    upTo count: Int, _ received: inout ReceivedDescriptors, waiting: Bool
  ) throws(InterprocessError) -> [UInt8]? {
    var came: Int?
    let bytes = try [UInt8](receivingUpTo: count) { buffer throws(InterprocessError) in
      came = try receive(&buffer, &received, waiting: waiting)
    }
    return came == nil ? nil : bytes
  }
}
