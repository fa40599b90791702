import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Pipe and NamedPipe")
struct PipeTests {
  @Test(
    "a timeout below zero has passed, however far below", .blocking,
    arguments: [
      Duration.nanoseconds(Int64.min), .seconds(-9_223_372_037), .seconds(Int64.min), .seconds(-1), .zero,
    ])
  func negativeTimeouts(_ timeout: Duration) throws {
    let pipe = try Pipe()
    let reading = Background { try pipe.reader.read(upTo: 1, timeout: timeout) }
    let error = #expect(throws: InterprocessError.self) { try reading.value() }
    #expect(error?.isTimeout == true)
  }

  @Test("bytes come out in the order they went in")
  func order() throws {
    let pipe = try Pipe()
    try pipe.writer.write([1, 2])
    try pipe.writer.write([3])
    let bytes = try pipe.reader.read(exactly: 3, timeout: generous)
    #expect(bytes == [1, 2, 3])
  }

  @Test("a reader sees the end when the last writer closes")
  func end() throws {
    var pipe = try Pipe()
    try pipe.writer.write([1])
    try pipe.writer.close()
    let first = try pipe.reader.read(upTo: 10, timeout: generous)
    let rest = try pipe.reader.read(upTo: 10, timeout: generous)
    let exactly = try pipe.reader.read(exactly: 4, timeout: generous)
    #expect(first == [1])
    #expect(rest.isEmpty)
    #expect(exactly == nil)
  }

  @Test("a stream that ends half-way through is an error that says how far it came")
  func halfWay() throws {
    var pipe = try Pipe()
    try pipe.writer.write([1, 2, 3])
    try pipe.writer.close()
    let error = #expect(throws: InterprocessError.self) { _ = try pipe.reader.read(exactly: 8, timeout: generous) }
    #expect(error?.description.contains("the other side closed after 3 of 8 bytes") == true)
  }

  @Test("reading an empty pipe times out")
  func readTimeout() throws {
    let pipe = try Pipe()
    let error = #expect(throws: InterprocessError.self) {
      _ = try pipe.reader.read(upTo: 1, timeout: .milliseconds(10))
    }
    #expect(error?.isTimeout == true)
  }

  @Test("writing more than a full pipe holds times out, and says how much it took")
  func writeTimeout() throws {
    let pipe = try Pipe()
    let large = [UInt8](repeating: 7, count: 1 << 20)
    let error = #expect(throws: InterprocessError.self) {
      try pipe.writer.write(large, timeout: .milliseconds(10))
    }
    #expect(error?.isTimeout == true)
    #expect(error?.remedy == "65536 of 1048576 bytes were written")
  }

  @Test("a closed end says so, and closing twice is fine")
  func closed() throws {
    var pipe = try Pipe()
    try pipe.writer.close()
    try pipe.writer.close()
    let error = #expect(throws: InterprocessError.self) { try pipe.writer.write([1]) }
    #expect(error?.errno == .badFileDescriptor)
  }

  @Test("both ends are closed in programs that are executed")
  func closeOnExec() throws {
    let pipe = try Pipe()
    let flags = (fcntl(pipe.reader.descriptor.rawValue, F_GETFD), fcntl(pipe.writer.descriptor.rawValue, F_GETFD))
    #expect(flags == (FD_CLOEXEC, FD_CLOEXEC))
  }

  @Test("a FIFO carries bytes between those who open its path")
  func fifo() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let reader = try NamedPipe.Reader(opening: path, waitingForWriter: false)
    var writer = try NamedPipe.Writer(opening: path)
    try writer.write([1, 2, 3], timeout: generous)
    try writer.close()
    let bytes = try reader.read(exactly: 3, timeout: generous)
    let rest = try reader.read(upTo: 1, timeout: generous)
    #expect(bytes == [1, 2, 3])
    #expect(rest.isEmpty)
  }

  @Test("a FIFO reader that keeps it open waits for the next writer, and times out")
  func fifoKeptOpen() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let reader = try NamedPipe.Reader(opening: path, keepingOpen: true)
    for byte in [UInt8(1), 2] {
      let writer = try NamedPipe.Writer(opening: path)
      try writer.write([byte])
    }
    let bytes = try reader.read(exactly: 2, timeout: generous)
    let error = #expect(throws: InterprocessError.self) {
      _ = try reader.read(upTo: 1, timeout: .milliseconds(10))
    }
    #expect(bytes == [1, 2])
    #expect(error?.isTimeout == true)
  }

  @Test("opening a FIFO that nobody has open at the other side times out, and the path still works", .blocking)
  func fifoOpenTimeout() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let reader = #expect(throws: InterprocessError.self) {
      _ = try NamedPipe.Reader(opening: path, timeout: .milliseconds(5))
    }
    #expect(reader?.isTimeout == true && reader?.remedy == "nobody has opened it for writing")
    let writer = #expect(throws: InterprocessError.self) { _ = try NamedPipe.Writer(opening: path, timeout: .zero) }
    #expect(writer?.isTimeout == true && writer?.remedy == "nobody has opened it for reading")

    let other = Background { try NamedPipe.Writer(opening: path, timeout: generous).write([7], timeout: generous) }
    let bytes = try NamedPipe.Reader(opening: path, timeout: generous).read(upTo: 9, timeout: generous)
    try other.value()
    #expect(bytes == [7])
  }

  @Test("opening a FIFO that is none, or that nobody reads, is an error")
  func fifoErrors() throws {
    let directory = try TemporaryDirectory()
    let file = try TemporaryFile()
    let notAFIFO = #expect(throws: InterprocessError.self) { _ = try NamedPipe.Writer(opening: file.path) }
    #expect(notAFIFO?.remedy == "this path is no FIFO")

    let path = directory.path.appending("fifo")
    let missing = #expect(throws: InterprocessError.self) { _ = try NamedPipe.Reader(opening: path) }
    #expect(missing?.errno == .noSuchFileOrDirectory)
    try NamedPipe.create(at: path)
    let exists = #expect(throws: InterprocessError.self) { try NamedPipe.create(at: path) }
    #expect(exists?.errno == .fileExists)
    let unread = #expect(throws: InterprocessError.self) {
      _ = try NamedPipe.Writer(opening: path, waitingForReader: false)
    }
    #expect(unread?.remedy == "nobody has it open for reading")
    try NamedPipe.unlink(path)
  }
}
