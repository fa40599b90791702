import CInterprocess
public import Glibc
public import SystemPackage

/// An unnamed pipe: bytes go in at the ``writer`` and come out at the ``reader``, in order, between processes that got
/// their ends by `fork` or as passed descriptors.
///
/// A process closes the end it does not use: a reader sees the end of the stream only when *every* copy of the writing
/// end is closed.
///
/// ```swift
/// var pipe = try Pipe()
/// let child = try ForkedProcess {
///   try pipe.reader.close()
///   try pipe.writer.write(Array("hello".utf8))
/// }
/// try pipe.writer.close()
/// let greeting = try pipe.reader.read(upTo: 100)
/// ```
///
/// Writes of up to ``PipeEnd/atomicWriteSize`` (4096) bytes are atomic: those of several writers do not mix. Both ends are closed in
/// programs that this one executes.
@frozen
public struct Pipe: ~Copyable, Sendable {
  public var reader: Reader
  public var writer: Writer

  /// Creates a pipe.
  ///
  /// The corresponding C function is `pipe2`.
  ///
  /// - Parameter packets: whether the pipe keeps the writes apart (`O_DIRECT`): each read takes one packet, of at most
  ///   ``PipeEnd/atomicWriteSize`` bytes. A longer write becomes several packets; what of a packet does not fit into the
  ///   reader's buffer is lost.
  /// - Throws: `Errno.tooManyOpenFiles` when the process may have no more descriptors.
  public init(packets: Bool = false) throws(InterprocessError) {
    var ends: (CInt, CInt) = (-1, -1)
    try systemCall("pipe2", nil) {
      withUnsafeMutableBytes(of: &ends) {
        ci_pipe2(
          $0.assumingMemoryBound(to: CInt.self).baseAddress, packets ? O_CLOEXEC | ci_o_direct() : O_CLOEXEC)
      }
    }
    reader = Reader(adopting: OwnedDescriptor(adopting: ends.0))
    writer = Writer(adopting: OwnedDescriptor(adopting: ends.1))
  }

  /// The end that bytes come out of.
  public struct Reader: ~Copyable, Sendable, PipeReader {
    public private(set) var descriptor: OwnedDescriptor
    public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

    /// Takes over the reading end of a pipe that came from elsewhere.
    public init(adopting descriptor: consuming OwnedDescriptor) {
      self.descriptor = descriptor
    }

    /// Reads what is there without waiting. The corresponding C function is `preadv2` with `RWF_NOWAIT`. See
    /// ``ByteReader/tryRead(into:)``.
    public func tryRead(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryRead(PipeCalls.self, into: &buffer, "pipe \(descriptor.rawValue)")
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
      try descriptor.read(PipeCalls.self, into: &buffer, by: Deadline(timeout), "pipe \(descriptor.rawValue)")
    }

    /// Gives the descriptor away.
    consuming func takeDescriptor() -> OwnedDescriptor { descriptor }

    /// Closes this end, in this process. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }

  /// The end that bytes go into.
  public struct Writer: ~Copyable, Sendable, PipeWriter {
    public private(set) var descriptor: OwnedDescriptor
    public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

    /// Takes over the writing end of a pipe that came from elsewhere.
    public init(adopting descriptor: consuming OwnedDescriptor) {
      self.descriptor = descriptor
    }

    /// Writes what there is room for without waiting. The corresponding C function is `pwritev2` with `RWF_NOWAIT`. See
    /// ``ByteWriter/tryWrite(_:)``.
    public func tryWrite(_ bytes: RawSpan) throws(InterprocessError) -> Int? {
      try descriptor.tryWrite(PipeCalls.self, bytes, "pipe \(descriptor.rawValue)")
    }

    /// Writes all of `bytes`. The corresponding C function is `write`. See ``ByteWriter/write(_:timeout:)``.
    @inlinable
    public func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError) {
      let written = timeout == nil ? WriteWithoutSignal.writeAtOnce(descriptor.rawValue, bytes) : 0
      if _slowPath(written < bytes.byteCount) { try writeRest(bytes, from: written, timeout) }
    }

    @usableFromInline
    func writeRest(_ bytes: RawSpan, from written: Int, _ timeout: Duration?) throws(InterprocessError) {
      try descriptor.write(PipeCalls.self, bytes, from: written, by: Deadline(timeout), "pipe \(descriptor.rawValue)")
    }

    /// Gives the descriptor away.
    consuming func takeDescriptor() -> OwnedDescriptor { descriptor }

    /// Closes this end, in this process. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }
}
