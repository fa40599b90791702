import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals of pipes", .blocking)
struct PipeRefusalTests {
  @Test("pipes")
  func pipes() throws {
    let pipe = try Pipe()
    expectRefusal("read", .timedOut, nil) { _ = try pipe.reader.read(upTo: 1, timeout: .milliseconds(5)) }
    expectRefusal("read", .invalidArgument, "the buffer has no room") { _ = try pipe.reader.read(upTo: 0) }
    expectRefusal("read", .invalidArgument, "the buffer has no room") { _ = try pipe.reader.tryRead(upTo: 0) }
    expectRefusal("fcntl", .invalidArgument, "a pipe's capacity is 0 to 2147483647 bytes, not -1") {
      try pipe.writer.setCapacity(-1)
    }
    expectRefusal("fcntl", .invalidArgument, "not 2147483648") { try pipe.writer.setCapacity(1 << 31) }
    let capacity = try pipe.writer.capacity()
    try pipe.writer.write([UInt8](repeating: 0, count: capacity))
    expectRefusal("fcntl", .resourceBusy, "more bytes wait in the pipe than it would hold; read them first") {
      try pipe.writer.setCapacity(4096)
    }
    expectRefusal("write", .timedOut, "0 of 1 bytes were written") {
      try pipe.writer.write([1], timeout: .milliseconds(5))
    }
  }

  @Test("pipes that the other side has closed")
  func closed() throws {
    var pipe = try Pipe()
    try pipe.writer.write([1])
    try pipe.writer.close()
    expectRefusal("read", .noData, "the other side closed after 1 of 2 bytes") {
      _ = try pipe.reader.read(exactly: 2)
    }
    expectRefusal("fcntl", .badFileDescriptor, nil) { _ = try pipe.writer.capacity() }
    expectRefusal("ioctl", .badFileDescriptor, nil) { _ = try pipe.writer.bytesWaiting() }
    var other = try Pipe()
    try other.reader.close()
    expectRefusal("write", .brokenPipe, "the other side has closed; 0 of 2 bytes were written", afterClosing: true) {
      try other.writer.write([1, 2])
    }
    expectRefusal("write", .brokenPipe, "the other side has closed", afterClosing: true) {
      _ = try other.writer.tryWrite([1])
    }
    expectRefusal("vmsplice", .brokenPipe, nil, afterClosing: true) {
      try [UInt8](repeating: 1, count: 10).withUnsafeBytes { _ = try other.writer.vmsplice(lending: $0) }
    }
    let source = try Pipe()
    expectRefusal("splice", .brokenPipe, "the other side has closed", afterClosing: true) {
      try source.writer.write([1])
      _ = try source.reader.splice(upTo: 1, into: other.writer)
    }
    expectRefusal("tee", .brokenPipe, "the other side has closed", afterClosing: true) {
      _ = try source.reader.tee(upTo: 1, into: other.writer)
    }
    expectRefusal("close", .badFileDescriptor, nil) {
      // Nobody has so many descriptors open.
      var stranger = OwnedDescriptor(adopting: 1 << 30)
      try stranger.close()
    }
  }

  @Test("splicing and teeing")
  func splicing() throws {
    let pipe = try Pipe()
    let full = try Pipe()
    expectRefusal("splice", .timedOut, nil) {
      _ = try pipe.reader.splice(upTo: 1, into: full.writer, timeout: .milliseconds(5))
    }
    try pipe.writer.write([1])
    expectRefusal("splice", .invalidArgument, nil) { _ = try pipe.reader.splice(upTo: 1, into: pipe.writer) }
    expectRefusal("tee", .invalidArgument, nil) { _ = try pipe.reader.tee(upTo: 1, into: pipe.writer) }
    expectRefusal("splice", .invalidArgument, "the number of bytes has to be above 0") {
      _ = try pipe.reader.splice(upTo: 0, into: full.writer)
    }
    let capacity = try full.writer.capacity()
    try full.writer.write([UInt8](repeating: 0, count: capacity))
    expectRefusal("tee", .timedOut, nil) {
      _ = try pipe.reader.tee(upTo: 1, into: full.writer, timeout: .milliseconds(5))
    }
    expectRefusal("vmsplice", .timedOut, nil) {
      try [UInt8](repeating: 1, count: 10).withUnsafeBytes {
        _ = try full.writer.vmsplice(lending: $0, timeout: .milliseconds(5))
      }
    }
  }

  @Test("bytes are spliced into a file, but not into one that is open for appending")
  func spliceIntoFile() throws {
    let file = try TemporaryFile()
    let pipe = try Pipe()
    try pipe.writer.write(Array("spliced".utf8))
    let descriptor = try FileDescriptor.open(file.path, .writeOnly, options: .append)
    defer { try? descriptor.close() }
    expectRefusal("splice", .invalidArgument, nil) { _ = try pipe.reader.splice(upTo: 7, into: descriptor) }
    let plain = try FileDescriptor.open(file.path, .writeOnly)
    defer { try? plain.close() }
    let count = try pipe.reader.splice(upTo: 100, into: plain)
    let content = try file.read()
    #expect(count == 7)
    #expect(content == Array("spliced".utf8))
  }

  @Test("FIFOs")
  func fifos() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    let absent = directory.path.appending("absent")
    try NamedPipe.create(at: path)
    expectRefusal("mkfifo", .fileExists, "this path exists already") { try NamedPipe.create(at: path) }
    expectRefusal("mkfifo", .noSuchFileOrDirectory, "there is no such path") {
      try NamedPipe.create(at: absent.appending("fifo"))
    }
    expectRefusal("unlink", .noSuchFileOrDirectory, "there is no such FIFO") { try NamedPipe.unlink(absent) }
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such FIFO") {
      _ = try NamedPipe.Reader(opening: absent)
    }
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such FIFO") {
      _ = try NamedPipe.Writer(opening: absent)
    }
    expectRefusal("open", .noSuchAddressOrDevice, "nobody has it open for reading") {
      _ = try NamedPipe.Writer(opening: path, waitingForReader: false)
    }
    let file = try TemporaryFile()
    expectRefusal("open", .invalidArgument, "this path is no FIFO") { _ = try NamedPipe.Reader(opening: file.path) }
    expectRefusal("open", .invalidArgument, "this path is no FIFO") { _ = try NamedPipe.Writer(opening: file.path) }
    let late = await #expect(throws: InterprocessError.self) {
      _ = try await NamedPipe.Reader(waitingForWriterAt: path, timeout: .milliseconds(5))
    }
    #expect(late?.description.hasSuffix("Connection timed out: nobody has opened it for writing") == true)
  }
}
