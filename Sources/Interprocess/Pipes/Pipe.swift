import CInterprocess
import Glibc

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
/// Writes of up to `PIPE_BUF` (4096) bytes are atomic: those of several writers do not mix. Both ends are closed in
/// programs that this one executes.
@frozen
public struct Pipe: ~Copyable, Sendable {
  public var reader: Reader
  public var writer: Writer

  /// Creates a pipe.
  ///
  /// The corresponding C function is `pipe2`.
  ///
  /// - Throws: `Errno.tooManyOpenFiles` when the process may have no more descriptors.
  public init() throws(InterprocessError) {
    var ends: (CInt, CInt) = (-1, -1)
    try systemCall("pipe2", nil) {
      withUnsafeMutableBytes(of: &ends) { ci_pipe2($0.assumingMemoryBound(to: CInt.self).baseAddress, O_CLOEXEC) }
    }
    reader = Reader(adopting: OwnedDescriptor(adopting: ends.0))
    writer = Writer(adopting: OwnedDescriptor(adopting: ends.1))
  }

  /// The end that bytes come out of.
  public struct Reader: ~Copyable, Sendable, ByteReader {
    public private(set) var descriptor: OwnedDescriptor

    /// Takes over the reading end of a pipe that came from elsewhere.
    public init(adopting descriptor: consuming OwnedDescriptor) {
      self.descriptor = descriptor
    }

    /// Reads what is there. The corresponding C function is `read`. See ``ByteReader/read(into:timeout:)``.
    public func read(into buffer: inout OutputRawSpan, timeout: Duration?) throws(InterprocessError) -> Int {
      try descriptor.read(PipeCalls.self, into: &buffer, by: Deadline(timeout), "pipe \(descriptor.rawValue)")
    }

    /// Closes this end, in this process. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }

  /// The end that bytes go into.
  public struct Writer: ~Copyable, Sendable, ByteWriter {
    public private(set) var descriptor: OwnedDescriptor

    /// Takes over the writing end of a pipe that came from elsewhere.
    public init(adopting descriptor: consuming OwnedDescriptor) {
      self.descriptor = descriptor
    }

    /// Writes all of `bytes`. The corresponding C function is `write`. See ``ByteWriter/write(_:timeout:)``.
    public func write(_ bytes: RawSpan, timeout: Duration?) throws(InterprocessError) {
      try descriptor.write(PipeCalls.self, bytes, by: Deadline(timeout), "pipe \(descriptor.rawValue)")
    }

    /// Closes this end, in this process. The corresponding C function is `close`.
    public mutating func close() throws(InterprocessError) {
      try descriptor.close()
    }
  }
}
