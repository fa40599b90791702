public import SystemPackage

/// An end that bytes come out of: of a pipe, a FIFO or a stream socket.
public protocol ByteReader: ~Copyable {
  /// The descriptor for calls of swift-system, and for event loops: to use and not to close.
  var fileDescriptor: FileDescriptor { get }

  /// Reads what is there and appends it to `buffer`, without waiting.
  ///
  /// - Returns: how many bytes came; 0 when the other side has closed and everything was read; `nil` when there is
  ///   nothing yet.
  /// - Throws: `Errno.invalidArgument` when `buffer` has no room.
  func tryRead(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int?

  /// Reads what is there, at least one byte, waiting for it if need be, and appends it to `buffer`.
  ///
  /// - Parameter timeout: how long to wait for the first byte; `nil` waits for ever.
  /// - Returns: how many bytes came; 0 when the other side has closed and everything was read.
  /// - Throws: `Errno.timedOut` when nothing came in time; `Errno.invalidArgument` when `buffer` has no room;
  ///   `Errno.connectionReset`, once, when the other side of a socket has closed and not read everything.
  func read(into buffer: inout OutputRawSpan, timeout: Duration?) throws(InterprocessError) -> Int
}

/// An end that bytes go into: of a pipe, a FIFO or a stream socket.
public protocol ByteWriter: ~Copyable {
  /// The descriptor for calls of swift-system, and for event loops: to use and not to close.
  var fileDescriptor: FileDescriptor { get }

  /// Writes as much of `bytes` as there is room for, without waiting.
  ///
  /// - Returns: how many bytes were written; `nil` when there is no room.
  /// - Throws: `Errno.brokenPipe` when the other side has closed (never the signal SIGPIPE).
  func tryWrite(_ bytes: RawSpan) throws(InterprocessError) -> Int?

  /// Writes all of `bytes`, waiting for room as often as needed.
  ///
  /// - Parameter timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: `Errno.brokenPipe` when the other side has closed (never the signal SIGPIPE); `Errno.timedOut` when the
  ///   other side was too slow: a part of `bytes` may have been written by then.
  func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError)
}

extension ByteReader where Self: ~Copyable {
  /// Reads what is there, waiting for it without a limit. See ``read(into:timeout:)``.
  @inlinable
  public func read(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int {
    try read(into: &buffer, timeout: nil)
  }

  /// Reads what is there, at least one byte and at most `count`; empty when the other side has closed.
  public func read(upTo count: Int, timeout: Duration? = nil) throws(InterprocessError) -> [UInt8] {
    try [UInt8](receivingUpTo: count) { buffer throws(InterprocessError) in
      _ = try read(into: &buffer, timeout: timeout)
    }
  }

  /// Reads what is there, at most `count` bytes, without waiting.
  ///
  /// - Returns: the bytes, empty when the other side has closed; `nil` when there is nothing yet.
  public func tryRead(upTo count: Int) throws(InterprocessError) -> [UInt8]? {
    var came: Int?
    let bytes = try [UInt8](receivingUpTo: count) { buffer throws(InterprocessError) in
      came = try tryRead(into: &buffer)
    }
    return came == nil ? nil : bytes
  }

  /// Reads `count` bytes, however many pieces they come in.
  ///
  /// - Parameter timeout: how long the whole may take.
  /// - Returns: the bytes, or `nil` when the other side closed before the first of them.
  /// - Throws: `Errno.noData` when the other side closed half-way; `Errno.timedOut` when it was too slow: what had come
  ///   by then is lost.
  public func read(exactly count: Int, timeout: Duration? = nil) throws(InterprocessError) -> [UInt8]? {
    let deadline = Deadline(timeout)
    let bytes = try [UInt8](receivingUpTo: count) { buffer throws(InterprocessError) in
      while buffer.freeCapacity > 0 {
        if try read(into: &buffer, timeout: deadline.remaining) == 0 { return }
      }
    }
    if bytes.count == count { return bytes }
    if bytes.isEmpty { return nil }
    throw .endedEarly(after: bytes.count, of: count)
  }
}

extension InterprocessError {
  static func reading(_ call: StaticString, _ object: String, _ reason: Errno) -> InterprocessError {
    InterprocessError(
      call: "\(call)", object: object, errno: reason,
      remedy: reason == .connectionReset ? "the other side has closed, and not read everything" : nil)
  }

  static func endedEarly(after came: Int, of count: Int) -> InterprocessError {
    InterprocessError(call: "read", errno: .noData, remedy: "the other side closed after \(came) of \(count) bytes")
  }
}

extension ByteWriter where Self: ~Copyable {
  /// Writes all of `bytes`, waiting without a limit. See ``write(_:timeout:)``.
  @inlinable
  public func write(_ bytes: RawSpan) throws(InterprocessError) {
    try write(bytes, timeout: nil)
  }

  /// Writes as much of `bytes` as there is room for, without waiting. See ``tryWrite(_:)-(RawSpan)``.
  public func tryWrite(_ bytes: [UInt8]) throws(InterprocessError) -> Int? {
    try tryWrite(bytes.span.bytes)
  }

  /// Writes all of `bytes`. See ``write(_:timeout:)``.
  public func write(_ bytes: [UInt8], timeout: Duration? = nil) throws(InterprocessError) {
    try write(bytes.span.bytes, timeout: timeout)
  }
}

extension [UInt8] {
  /// An array of what `body` appends to an empty buffer of `capacity` bytes.
  init<Failure: Error>(
    receivingUpTo capacity: Int, _ body: (inout OutputRawSpan) throws(Failure) -> Void
  ) throws(Failure) {
    // The closure is called once; the error leaves through `failure`, since the initializer's closure throws untyped.
    var failure: Failure?
    self.init(unsafeUninitializedCapacity: Swift.max(0, capacity)) { storage, count in
      var span = OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(storage), initializedCount: 0)
      do throws(Failure) {
        try body(&span)
      } catch {
        failure = error
      }
      count = span.finalize(for: UnsafeMutableRawBufferPointer(storage))
    }
    if let failure { throw failure }
    // What is kept of short messages is not to take the room of the longest.
    if Swift.max(0, capacity) - self.count > 1024 { self = [UInt8](copying: span.bytes) }
  }
}

/// One attempt to move bytes through a descriptor, and how to go on when it would block.
///
/// The loops are the same for pipes and sockets; only the calls differ.
protocol StreamCalls {
  static var readCall: StaticString { get }
  static var writeCall: StaticString { get }

  /// Reads once. With `waiting` false it does not block, and says EAGAIN instead.
  static func read(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, waiting: Bool) -> Int

  /// Writes once, a part or all. With `waiting` false it does not block, and says EAGAIN instead. It raises no signal.
  static func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, waiting: Bool) -> Int
}

// What moves each message is always inlined, so that `Calls` and the closures are known where it is compiled.
extension OwnedDescriptor {
  func tryRead<Calls: StreamCalls>(
    _: Calls.Type, into buffer: inout OutputRawSpan, _ object: @autoclosure () -> String
  ) throws(InterprocessError) -> Int? {
    guard buffer.freeCapacity > 0 else { throw .refused(Calls.readCall, object(), "the buffer has no room") }
    let result = buffer.append { free in valueOrErrno { Calls.read(rawValue, free, waiting: false) } }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw .reading(Calls.readCall, object(), reason)
    }
  }

  func tryWrite<Calls: StreamCalls>(
    _: Calls.Type, _ bytes: RawSpan, _ object: @autoclosure () -> String
  ) throws(InterprocessError) -> Int? {
    let result = bytes.withUnsafeBytes { storage in
      storage.isEmpty ? .success(0) : valueOrErrno { Calls.write(rawValue, storage, waiting: false) }
    }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason):
      throw InterprocessError(
        call: "\(Calls.writeCall)", object: object(), errno: reason,
        remedy: reason == .brokenPipe ? "the other side has closed" : nil)
    }
  }

  @inline(__always)
  func read<Calls: StreamCalls>(
    _: Calls.Type, into buffer: inout OutputRawSpan, by deadline: Deadline, _ object: @autoclosure () -> String
  ) throws(InterprocessError) -> Int {
    guard buffer.freeCapacity > 0 else { throw .refused(Calls.readCall, object(), "the buffer has no room") }
    while true {
      let result = buffer.append { free in valueOrErrno { Calls.read(rawValue, free, waiting: deadline.isNever) } }
      switch result {
      case .success(let count): return count
      case .failure(.wouldBlock):
        guard try wait(until: .readable, by: deadline) else {
          throw InterprocessError(call: "\(Calls.readCall)", object: object(), errno: .timedOut)
        }
      case .failure(let reason): throw .reading(Calls.readCall, object(), reason)
      }
    }
  }

  /// - Parameter start: how many of `bytes` are written already.
  @inline(__always)
  func write<Calls: StreamCalls>(
    _: Calls.Type, _ bytes: RawSpan, from start: Int = 0, by deadline: Deadline, _ object: @autoclosure () -> String
  ) throws(InterprocessError) {
    var written = start
    while written < bytes.byteCount {
      let result = bytes.withUnsafeBytes { storage in
        valueOrErrno {
          Calls.write(
            rawValue, UnsafeRawBufferPointer(rebasing: storage[written...]), waiting: deadline.isNever)
        }
      }
      switch result {
      case .success(let count): written += count
      case .failure(.wouldBlock):
        guard try wait(until: .writable, by: deadline) else {
          throw InterprocessError(
            call: "\(Calls.writeCall)", object: object(), errno: .timedOut,
            remedy: "\(written) of \(bytes.byteCount) bytes were written")
        }
      case .failure(.brokenPipe):
        throw InterprocessError(
          call: "\(Calls.writeCall)", object: object(), errno: .brokenPipe,
          remedy: "the other side has closed; \(written) of \(bytes.byteCount) bytes were written")
      case .failure(let reason):
        throw InterprocessError(call: "\(Calls.writeCall)", object: object(), errno: reason)
      }
    }
  }
}
