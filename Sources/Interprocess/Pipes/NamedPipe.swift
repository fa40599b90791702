import CInterprocess
import Glibc
public import SystemPackage

/// A pipe with a name in the file system, a FIFO: any process that may open the path reads or writes it.
///
/// The name and the ends are separate things. ``create(at:permissions:)`` makes the name, ``Reader`` and ``Writer`` open
/// it, ``unlink(_:)`` removes the name while open ends go on.
///
/// Writes of up to ``PipeEnd/atomicWriteSize`` (4096) bytes are atomic: those of several writers do not mix, so messages that short need
/// no lock.
public enum NamedPipe {
  /// Creates the FIFO.
  ///
  /// The corresponding C function is `mkfifo`.
  ///
  /// - Throws: `Errno.fileExists` when something stands at `path` already.
  public static func create(
    at path: FilePath, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try systemCall("mkfifo", "\"\(path)\"", remedy: naming("path")) {
      path.withPlatformString { mkfifo($0, permissions.rawValue) }
    }
  }

  /// Removes the name. Ends that are open go on working.
  ///
  /// The corresponding C function is `unlink`.
  public static func unlink(_ path: FilePath) throws(InterprocessError) {
    try systemCall("unlink", "\"\(path)\"", remedy: naming("FIFO")) {
      path.withPlatformString { Glibc.unlink($0) }
    }
  }

  /// The end that bytes come out of.
  public struct Reader: ~Copyable, Sendable, PipeReader {
    public private(set) var descriptor: OwnedDescriptor
    public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }
    let path: FilePath

    /// Opens the FIFO for reading.
    ///
    /// The corresponding C function is `open`.
    ///
    /// - Parameters:
    ///   - waitingForWriter: whether to wait until somebody has it open for writing, as `open` does by itself.
    ///     Otherwise it opens at once; until the first writer comes, reading then says that the stream is at its end.
    ///   - keepingOpen: whether to hold the writing end as well, so that the stream has no end when the last writer
    ///     leaves: for a reader that serves one writer after another. It opens at once.
    /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when `path` is no FIFO.
    public init(
      opening path: FilePath, waitingForWriter: Bool = true, keepingOpen: Bool = false
    ) throws(InterprocessError) {
      let access = keepingOpen ? O_RDWR : waitingForWriter ? O_RDONLY : O_RDONLY | O_NONBLOCK
      descriptor = try openFIFO(path, access)
      self.path = path
    }

    /// Opens the FIFO for reading; the task is suspended until somebody has it open for writing.
    ///
    /// The corresponding C function is `open`, on a thread of its own.
    ///
    /// - Throws: ``InterprocessError`` as the blocking form does, and `Errno.timedOut`; `CancellationError`.
    public nonisolated(nonsending) init(waitingForWriterAt path: FilePath, timeout: Duration? = nil) async throws {
      descriptor = try await openFIFO(path, O_RDONLY, by: Deadline(timeout))
      self.path = path
    }

    /// Reads what is there without waiting. The corresponding C function is `preadv2` with `RWF_NOWAIT`. See
    /// ``ByteReader/tryRead(into:)``.
    public func tryRead(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryRead(PipeCalls.self, into: &buffer, "\"\(path)\"")
    }

    /// Reads what is there. The corresponding C function is `read`. See ``ByteReader/read(into:timeout:)``.
    public func read(into buffer: inout OutputRawSpan, timeout: Duration?) throws(InterprocessError) -> Int {
      try descriptor.read(PipeCalls.self, into: &buffer, by: Deadline(timeout), "\"\(path)\"")
    }

    /// Closes this end. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }

  /// The end that bytes go into.
  public struct Writer: ~Copyable, Sendable, PipeWriter {
    public private(set) var descriptor: OwnedDescriptor
    public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }
    let path: FilePath

    /// Opens the FIFO for writing.
    ///
    /// The corresponding C function is `open`.
    ///
    /// - Parameter waitingForReader: whether to wait until somebody has it open for reading, as `open` does by itself.
    /// - Throws: `Errno.noSuchAddressOrDevice` when nobody reads and it was not to wait.
    public init(opening path: FilePath, waitingForReader: Bool = true) throws(InterprocessError) {
      descriptor = try openFIFO(path, waitingForReader ? O_WRONLY : O_WRONLY | O_NONBLOCK)
      self.path = path
    }

    /// Opens the FIFO for writing; the task is suspended until somebody has it open for reading.
    ///
    /// The corresponding C function is `open`, on a thread of its own.
    ///
    /// - Throws: ``InterprocessError`` as the blocking form does, and `Errno.timedOut`; `CancellationError`.
    public nonisolated(nonsending) init(waitingForReaderAt path: FilePath, timeout: Duration? = nil) async throws {
      descriptor = try await openFIFO(path, O_WRONLY, by: Deadline(timeout))
      self.path = path
    }

    /// Writes what there is room for without waiting. The corresponding C function is `pwritev2` with `RWF_NOWAIT`. See
    /// ``ByteWriter/tryWrite(_:)``.
    public func tryWrite(_ bytes: RawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryWrite(PipeCalls.self, bytes, "\"\(path)\"")
    }

    /// Writes all of `bytes`. The corresponding C function is `write`. See ``ByteWriter/write(_:timeout:)``.
    public func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError) {
      try descriptor.write(PipeCalls.self, bytes, by: Deadline(timeout), "\"\(path)\"")
    }

    /// Closes this end. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }
}

/// Opens `path`, which has to be a FIFO: a regular file would take the bytes and never give them to anybody.
private func openFIFO(_ path: FilePath, _ flags: CInt) throws(InterprocessError) -> OwnedDescriptor {
  let object = "\"\(path)\""
  func remedy(_ reason: Errno) -> String? {
    reason == .noSuchAddressOrDevice ? "nobody has it open for reading" : namingRemedy(for: reason, kind: "FIFO")
  }
  let descriptor = OwnedDescriptor(
    adopting: try systemCall("open", object, remedy: remedy) {
      path.withPlatformString { ci_open($0, flags | O_CLOEXEC | O_NOCTTY, 0) }
    })
  try checkThatItIsAFIFO(descriptor, object)
  if flags & O_NONBLOCK != 0 {
    // It was only to keep `open` from waiting; reads and writes wait, or have timeouts of their own.
    try systemCall("fcntl", object) { fcntl(descriptor.rawValue, F_SETFL, flags & ~O_NONBLOCK) }
  }
  return descriptor
}

private func checkThatItIsAFIFO(
  _ descriptor: borrowing OwnedDescriptor, _ object: String
) throws(InterprocessError) {
  let number = descriptor.rawValue
  var status = stat()
  try systemCall("fstat", object) { fstat(number, &status) }
  guard status.st_mode & S_IFMT == S_IFIFO else { throw .refused("open", object, "this path is no FIFO") }
}

/// The same for a task. `open` that waits for the other side has no descriptor yet, so a thread waits.
private nonisolated(nonsending) func openFIFO(
  _ path: FilePath, _ flags: CInt, by deadline: Deadline
) async throws -> OwnedDescriptor {
  try Task.checkCancellation()
  let object = "\"\(path)\""
  let result = try await WaitingThread.call(until: deadline) { () -> Result<CInt, Errno> in
    let number = path.withPlatformString { ci_open($0, flags | O_CLOEXEC | O_NOCTTY, 0) }
    return number == -1 ? .failure(Errno.current) : .success(number)
  }
  switch result {
  case .success(let number):
    let descriptor = OwnedDescriptor(adopting: number)
    try checkThatItIsAFIFO(descriptor, object)
    return descriptor
  case .failure(let reason):
    throw InterprocessError(
      call: "open", object: object, errno: reason, remedy: namingRemedy(for: reason, kind: "FIFO"))
  }
}
