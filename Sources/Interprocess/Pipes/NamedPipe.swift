import CInterprocess
public import Glibc
public import SystemPackage

/// A pipe with a name in the file system, a FIFO: any process that may open the path reads or writes it.
///
/// The name and the ends are separate things. ``create(at:permissions:)`` makes the name, ``Reader`` and ``Writer`` open
/// it, ``unlink(_:)`` removes the name while open ends go on.
///
/// Writes of up to ``PipeEnd/atomicWriteSize`` (4096) bytes are atomic: those of several writers do not mix, so messages that short need
/// no lock.
///
/// The first call on an end that is not to wait, or not for ever, or only suspends its task, sets `O_NONBLOCK` on the end
/// and leaves it: a descriptor that is handed to a program in another language does not block from then on.
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
    ///   - timeout: how long to wait for a writer; `nil` waits for ever. A timer's signal ends the wait.
    /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`; `Errno.invalidArgument` when `path` is no FIFO;
    ///   `Errno.timedOut` when nobody opened it for writing in time.
    public init(
      opening path: FilePath, waitingForWriter: Bool = true, keepingOpen: Bool = false, timeout: Duration? = nil
    ) throws(InterprocessError) {
      let access = keepingOpen ? O_RDWR : waitingForWriter ? O_RDONLY : O_RDONLY | O_NONBLOCK
      descriptor = try openFIFO(path, access, by: Deadline(timeout))
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

    /// Reads what is there without waiting. The corresponding C function is `read`, with
    /// `O_NONBLOCK`. See ``ByteReader/tryRead(into:)``.
    public func tryRead(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryRead(FIFOCalls.self, into: &buffer, "\"\(path)\"")
    }

    /// Reads what is there. The corresponding C function is `read`. See ``ByteReader/read(into:timeout:)``.
    @inlinable
    public func read(into buffer: inout OutputRawSpan, timeout: Duration?) throws(InterprocessError) -> Int {
      if timeout == nil {
        let count = buffer.fill { Glibc.read(descriptor.rawValue, $0.baseAddress, $0.count) }
        if _fastPath(count >= 0) { return count }
      }
      return try readCarefully(into: &buffer, timeout)
    }

    @usableFromInline
    func readCarefully(into buffer: inout OutputRawSpan, _ timeout: Duration?) throws(InterprocessError) -> Int {
      try descriptor.read(FIFOCalls.self, into: &buffer, by: Deadline(timeout), "\"\(path)\"")
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
    /// - Parameters:
    ///   - waitingForReader: whether to wait until somebody has it open for reading, as `open` does by itself.
    ///   - packets: whether this writer's writes are kept apart (`O_DIRECT`): each read takes one packet, of at most
    ///     ``PipeEnd/atomicWriteSize`` bytes. A longer write becomes several packets; what of a packet does not fit into
    ///     the reader's buffer is lost.
    ///   - timeout: how long to wait for a reader; `nil` waits for ever. A timer's signal ends the wait.
    /// - Throws: `Errno.noSuchAddressOrDevice` when nobody reads and it was not to wait; `Errno.timedOut` when nobody
    ///   opened it for reading in time.
    public init(
      opening path: FilePath, waitingForReader: Bool = true, packets: Bool = false, timeout: Duration? = nil
    ) throws(InterprocessError) {
      let access = waitingForReader ? O_WRONLY : O_WRONLY | O_NONBLOCK
      descriptor = try openFIFO(path, access, packets: packets, by: Deadline(timeout))
      self.path = path
    }

    /// Opens the FIFO for writing; the task is suspended until somebody has it open for reading.
    ///
    /// The corresponding C function is `open`, on a thread of its own.
    ///
    /// - Throws: ``InterprocessError`` as the blocking form does, and `Errno.timedOut`; `CancellationError`.
    public nonisolated(nonsending) init(
      waitingForReaderAt path: FilePath, packets: Bool = false, timeout: Duration? = nil
    ) async throws {
      descriptor = try await openFIFO(path, O_WRONLY, packets: packets, by: Deadline(timeout))
      self.path = path
    }

    /// Writes what there is room for without waiting. The corresponding C function is `write`, with
    /// `O_NONBLOCK`. See ``ByteWriter/tryWrite(_:)``.
    public func tryWrite(_ bytes: RawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryWrite(FIFOCalls.self, bytes, "\"\(path)\"")
    }

    /// Writes all of `bytes`. The corresponding C function is `write`. See ``ByteWriter/write(_:timeout:)``.
    @inlinable
    public func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError) {
      let written = timeout == nil ? WriteWithoutSignal.writeAtOnce(descriptor.rawValue, bytes) : 0
      if _slowPath(written < bytes.byteCount) { try writeRest(bytes, from: written, timeout) }
    }

    @usableFromInline
    func writeRest(_ bytes: RawSpan, from written: Int, _ timeout: Duration?) throws(InterprocessError) {
      try descriptor.write(FIFOCalls.self, bytes, from: written, by: Deadline(timeout), "\"\(path)\"")
    }

    /// Closes this end. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }
}
