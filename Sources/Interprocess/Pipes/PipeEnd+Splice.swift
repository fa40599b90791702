import CInterprocess
import Glibc
public import SystemPackage

extension PipeReader where Self: ~Copyable {
  /// Moves bytes from this pipe into another inside the kernel, without copying them.
  ///
  /// The corresponding C function is `splice`.
  ///
  /// - Parameters:
  ///   - count: how many bytes at most.
  ///   - timeout: how long to wait until there are bytes here and room there; `nil` waits for ever.
  /// - Returns: how many bytes were moved, at least one; 0 when this pipe's writers have closed.
  /// - Throws: `Errno.brokenPipe` when the other pipe's readers have closed (never the signal SIGPIPE);
  ///   `Errno.timedOut`; `Errno.invalidArgument` when both are the same pipe.
  public func splice(
    upTo count: Int, into writer: borrowing some PipeWriter & ~Copyable, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int {
    try transfer(.splice, count, writer.fileDescriptor, timeout)
  }

  /// Moves bytes from this pipe into a file or socket inside the kernel, waiting without a limit.
  ///
  /// The corresponding C function is `splice`. How long a file or a socket takes cannot be bounded, hence no timeout.
  ///
  /// - Returns: how many bytes were moved, at least one; 0 when this pipe's writers have closed.
  /// - Throws: `Errno.brokenPipe` when the other side has closed (never the signal SIGPIPE); `Errno.invalidArgument`
  ///   for a descriptor that the kernel does not splice into, a file open for appending among them.
  public func splice(upTo count: Int, into descriptor: FileDescriptor) throws(InterprocessError) -> Int {
    try transfer(.splice, count, descriptor, nil)
  }

  /// Copies bytes that wait in this pipe into another, and leaves them here.
  ///
  /// The corresponding C function is `tee`. Called again before anything was read, it copies the same bytes again.
  ///
  /// - Returns: how many bytes were copied, at least one; 0 when this pipe's writers have closed.
  /// - Throws: as `splice(upTo:into:timeout:)`.
  public func tee(
    upTo count: Int, into writer: borrowing some PipeWriter & ~Copyable, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int {
    try transfer(.tee, count, writer.fileDescriptor, timeout)
  }

  /// Moves bytes from this pipe into another inside the kernel; the task is suspended until it can. See
  /// ``splice(upTo:into:timeout:)``.
  public nonisolated(nonsending) func splice(
    upTo count: Int, into writer: borrowing some PipeWriter & ~Copyable, timeout: Duration? = nil
  ) async throws -> Int {
    try await transferAsync(.splice, count, writer.fileDescriptor, timeout)
  }

  /// Moves bytes from this pipe into a file or socket inside the kernel; the task is suspended until it is done.
  ///
  /// The corresponding C function is `splice`, on a thread of its own. See ``splice(upTo:into:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does, and `Errno.timedOut`; `CancellationError` when the task
  ///   is cancelled before anything was moved.
  public nonisolated(nonsending) func splice(
    upTo count: Int, into descriptor: FileDescriptor, timeout: Duration? = nil
  ) async throws -> Int {
    try Task.checkCancellation()
    let (source, transfer) = (fileDescriptor, PipeTransfer.splice)
    try transfer.check(source, descriptor, count)
    let result = try await WaitingThread.call(until: Deadline(timeout)) {
      // The thread has SIGPIPE blocked, and takes a pending one with it.
      transfer.waitingOnce(source, descriptor, count)
    }
    switch result {
    case .success(let count): return count
    case .failure(let reason): throw transfer.error(source, descriptor, reason)
    }
  }

  /// Copies bytes that wait in this pipe into another; the task is suspended until it can. See
  /// ``tee(upTo:into:timeout:)``.
  public nonisolated(nonsending) func tee(
    upTo count: Int, into writer: borrowing some PipeWriter & ~Copyable, timeout: Duration? = nil
  ) async throws -> Int {
    try await transferAsync(.tee, count, writer.fileDescriptor, timeout)
  }

  private func transfer(
    _ transfer: PipeTransfer, _ count: Int, _ destination: FileDescriptor, _ timeout: Duration?
  ) throws(InterprocessError) -> Int {
    let deadline = Deadline(timeout)
    while true {
      if let count = try transfer.attempt(fileDescriptor, destination, count, waiting: deadline.isNever) {
        return count
      }
      // Which of the two it is that waits is not told: the source first, and once it has bytes, the destination.
      try waitUntilReady(fileDescriptor, .readable, by: deadline, for: transfer.name)
      try waitUntilReady(destination, .writable, by: deadline, for: transfer.name)
    }
  }

  private nonisolated(nonsending) func transferAsync(
    _ transfer: PipeTransfer, _ count: Int, _ destination: FileDescriptor, _ timeout: Duration?
  ) async throws -> Int {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let count = try transfer.attempt(fileDescriptor, destination, count, waiting: false) { return count }
      try await becomeReady(fileDescriptor, .readable, by: deadline, for: transfer.name)
      try await becomeReady(destination, .writable, by: deadline, for: transfer.name)
    }
  }
}

extension PipeWriter where Self: ~Copyable {
  /// Puts memory into the pipe by reference: the reader reads the pages themselves.
  ///
  /// The corresponding C function is `vmsplice`.
  ///
  /// - Parameters:
  ///   - bytes: not to be changed or freed until the reader has read them, or it reads what stands there then.
  ///   - timeout: how long to wait for room; `nil` waits for ever.
  /// - Returns: how many bytes the pipe took, which may be fewer than all, whether there is a timeout or not: call it
  ///   again for the rest.
  /// - Throws: `Errno.brokenPipe` when the readers have closed (never the signal SIGPIPE); `Errno.timedOut`.
  public func vmsplice(
    lending bytes: UnsafeRawBufferPointer, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int {
    let deadline = Deadline(timeout)
    while true {
      if let count = try vmspliceOnce(bytes, waiting: deadline.isNever) { return count }
      try waitUntilReady(fileDescriptor, .writable, by: deadline, for: "vmsplice")
    }
  }

  /// Puts memory into the pipe by reference; the task is suspended until there is room. See
  /// ``vmsplice(lending:timeout:)``.
  ///
  /// - Returns: how many bytes the pipe took, which may be fewer than all.
  public nonisolated(nonsending) func vmsplice(
    lending bytes: UnsafeRawBufferPointer, timeout: Duration? = nil
  ) async throws -> Int {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let count = try vmspliceOnce(bytes, waiting: false) { return count }
      try await becomeReady(fileDescriptor, .writable, by: deadline, for: "vmsplice")
    }
  }

  /// - Returns: `nil` when there is no room.
  private func vmspliceOnce(_ bytes: UnsafeRawBufferPointer, waiting: Bool) throws(InterprocessError) -> Int? {
    let result = valueOrErrno {
      WriteWithoutSignal.holdingSIGPIPEBack(moving: bytes.count) {
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        return ci_vmsplice(fileDescriptor.rawValue, &vector, waiting)
      }
    }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw InterprocessError(call: "vmsplice", object: described, errno: reason)
    }
  }
}

/// The two calls that take bytes from one pipe to another.
private enum PipeTransfer {
  case splice
  case tee

  var name: StaticString { self == .splice ? "splice" : "tee" }

  /// - Returns: `nil` when the source has no bytes or the destination has no room.
  func attempt(
    _ source: FileDescriptor, _ destination: FileDescriptor, _ count: Int, waiting: Bool
  ) throws(InterprocessError) -> Int? {
    try check(source, destination, count)
    let result = valueOrErrno {
      WriteWithoutSignal.holdingSIGPIPEBack(moving: count) {
        self == .splice
          ? ci_splice(source.rawValue, destination.rawValue, count, waiting)
          : ci_tee(source.rawValue, destination.rawValue, count, waiting)
      }
    }
    switch result {
    case .success(let count): return count
    case .failure(.wouldBlock): return nil
    case .failure(let reason): throw error(source, destination, reason)
    }
  }

  /// One attempt that waits; a FIFO's description may be non-blocking, and is waited for with `poll` then.
  func waitingOnce(_ source: FileDescriptor, _ destination: FileDescriptor, _ count: Int) -> Result<Int, Errno> {
    while true {
      let result = singleCall { ci_splice(source.rawValue, destination.rawValue, count, true) }
      guard case .failure(.wouldBlock) = result else { return result }
      for (descriptor, events) in [(source, POLLIN), (destination, POLLOUT)] {
        var entry = pollfd(fd: descriptor.rawValue, events: CShort(events), revents: 0)
        if Glibc.poll(&entry, 1, -1) == -1 { return .failure(.current) }
      }
    }
  }

  func check(_ source: FileDescriptor, _ destination: FileDescriptor, _ count: Int) throws(InterprocessError) {
    guard count > 0 else {
      throw .refused(name, Self.described(source, destination), "the number of bytes has to be above 0")
    }
  }

  func error(_ source: FileDescriptor, _ destination: FileDescriptor, _ reason: Errno) -> InterprocessError {
    InterprocessError(
      call: "\(name)", object: Self.described(source, destination), errno: reason,
      remedy: reason == .brokenPipe ? "the other side has closed" : nil)
  }

  private static func described(_ source: FileDescriptor, _ destination: FileDescriptor) -> String {
    "\(source.rawValue) to \(destination.rawValue)"
  }
}

/// Waits until a descriptor that `call` found not ready is, or throws `Errno.timedOut` in its name.
func waitUntilReady(
  _ descriptor: FileDescriptor, _ readiness: Readiness, by deadline: Deadline, for call: StaticString
) throws(InterprocessError) {
  guard try poll(descriptor, until: readiness, by: deadline) else {
    throw InterprocessError(call: "\(call)", object: "descriptor \(descriptor.rawValue)", errno: .timedOut)
  }
}
