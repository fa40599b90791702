import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("What pipes can do beside reading and writing", .timeLimit(.minutes(5)))
struct PipeFacetTests {
  @Test("a pipe's capacity is what it was set to, and an impossible one is refused")
  func capacity() throws {
    let pipe = try Pipe()
    let set = try pipe.writer.setCapacity(100_000)
    let read = try pipe.reader.capacity()
    #expect(set == 131_072)
    #expect(read == set)
    let negative = #expect(throws: InterprocessError.self) { _ = try pipe.writer.setCapacity(-1) }
    #expect(negative?.errno == .invalidArgument)
    try pipe.writer.write([UInt8](repeating: 0, count: 100_000))
    let waiting = try pipe.reader.bytesWaiting()
    #expect(waiting == 100_000)
    let busy = #expect(throws: InterprocessError.self) { _ = try pipe.writer.setCapacity(4096) }
    #expect(busy?.errno == .resourceBusy)
  }

  @Test("a pipe in packet mode keeps writes apart")
  func packets() throws {
    let pipe = try Pipe(packets: true)
    try pipe.writer.write([1, 2])
    try pipe.writer.write([3])
    let (first, second) = (try pipe.reader.read(upTo: 10), try pipe.reader.read(upTo: 10))
    #expect((first, second) == ([1, 2], [3]))
    #expect(Pipe.Writer.atomicWriteSize == 4096)
  }

  @Test("without waiting: nothing yet, then bytes, then the end; and a full pipe takes no more")
  func tryForms() throws {
    var pipe = try Pipe()
    let nothing = try pipe.reader.tryRead(upTo: 5)
    let large = [UInt8](repeating: 1, count: 100_000)
    let written = try pipe.writer.tryWrite(large)
    let more = try pipe.writer.tryWrite(large)
    try pipe.writer.close()
    let all = try pipe.reader.tryRead(upTo: 100_000)
    let end = try pipe.reader.tryRead(upTo: 1)
    #expect(nothing == nil)
    #expect(written == 65536)
    #expect(more == nil)
    #expect(all?.count == 65536)
    #expect(end == [])
  }

  @Test("tee copies and splice moves, without waiting longer than asked; a closed reader is no signal")
  func spliceAndTee() throws {
    let source = try Pipe()
    let copy = try Pipe()
    var moved = try Pipe()
    try source.writer.write([1, 2, 3])
    let teed = try source.reader.tee(upTo: 10, into: copy.writer)
    let spliced = try source.reader.splice(upTo: 10, into: moved.writer, timeout: generous)
    let (first, second) = (try copy.reader.read(upTo: 10), try moved.reader.read(upTo: 10))
    #expect((teed, spliced) == (3, 3))
    #expect((first, second) == ([1, 2, 3], [1, 2, 3]))
    let late = #expect(throws: InterprocessError.self) {
      _ = try source.reader.splice(upTo: 10, into: moved.writer, timeout: .milliseconds(5))
    }
    #expect(late?.isTimeout == true)
    try moved.reader.close()
    // A program that another test is starting holds the reader until it has exec'ed, and the pipe takes bytes until then.
    let started = ContinuousClock.now
    let closed = #expect(throws: InterprocessError.self) {
      while ContinuousClock.now < started + generous {
        try source.writer.write([4])
        _ = try source.reader.splice(upTo: 10, into: moved.writer, timeout: generous)
      }
    }
    #expect(closed?.errno == .brokenPipe)
  }

  @Test("vmsplice lends memory to the reader")
  func vmsplice() throws {
    let pipe = try Pipe()
    let bytes: [UInt8] = [1, 2, 3]
    let (count, read) = try bytes.withUnsafeBytes { bytes in
      (try pipe.writer.vmsplice(lending: bytes, timeout: generous), try pipe.reader.read(upTo: 10))
    }
    #expect(count == 3)
    #expect(read == bytes)
  }

  @Test("a task moves bytes into a socket and lends memory, and is cancelled while there is nothing to do")
  func asyncSplicing() async throws {
    let source = try Pipe()
    let pair = try SocketPair()
    let late = await #expect(throws: InterprocessError.self) {
      _ = try await source.reader.splice(upTo: 9, into: pair.first.fileDescriptor, timeout: .milliseconds(5))
    }
    #expect(late?.isTimeout == true)
    let bytes: [UInt8] = [1, 2, 3]
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 3, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    let lent = try await source.writer.vmsplice(lending: UnsafeRawBufferPointer(memory), timeout: generous)
    let moved = try await source.reader.splice(upTo: 9, into: pair.first.fileDescriptor, timeout: generous)
    let came = try await pair.second.read(upTo: 9, timeout: generous)
    #expect((lent, moved) == (3, 3))
    #expect(came == bytes)
    while try source.writer.tryWrite([UInt8](repeating: 0, count: 4096)) != nil {}
    let full = await #expect(throws: InterprocessError.self) {
      _ = try await source.writer.vmsplice(lending: UnsafeRawBufferPointer(memory), timeout: .milliseconds(5))
    }
    #expect(full?.call == "vmsplice" && full?.isTimeout == true)
    let waiting = Task {
      let empty = try Pipe()
      let pair = try SocketPair()
      _ = try await empty.reader.splice(upTo: 9, into: pair.first.fileDescriptor)
    }
    try await Task.sleep(for: .milliseconds(5))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    var broken = try SocketPair()
    try broken.second.close()
    let closed = await #expect(throws: InterprocessError.self) {
      _ = try await source.reader.splice(upTo: 9, into: broken.first.fileDescriptor)
    }
    #expect(closed?.errno == .brokenPipe)
  }

  @Test("a task waits for the other side of a FIFO, in vain no longer than asked")
  func asyncOpening() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    await #expect(throws: InterprocessError.self) {
      _ = try await NamedPipe.Reader(waitingForWriterAt: path, timeout: .milliseconds(5))
    }
    let cancelled = Task { _ = try await NamedPipe.Writer(waitingForReaderAt: path) }
    try await Task.sleep(for: .milliseconds(5))
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let reading = Task {
      let reader = try await NamedPipe.Reader(waitingForWriterAt: path, timeout: generous)
      return try await reader.read(exactly: 1, timeout: generous)
    }
    let writer = try await NamedPipe.Writer(waitingForReaderAt: path, timeout: generous)
    try await writer.write([9], timeout: generous)
    #expect(try await reading.value == [9])
  }

  @Test("a suspended reader gets what comes, and is cancelled without any coming")
  func asyncReading() async throws {
    let pipe = try Pipe()
    let large = [UInt8](repeating: 5, count: 300_000)
    let reader = FileDescriptor(rawValue: dup(pipe.reader.descriptor.rawValue))
    let reading = Task {
      let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: reader.rawValue))
      return try await reader.read(exactly: 300_000, timeout: generous)
    }
    try await pipe.writer.write(large, timeout: generous)
    let received = try await reading.value
    #expect(received == large)
    let waiting = Task {
      let empty = try Pipe()
      return try await empty.reader.read(upTo: 1)
    }
    try await Task.sleep(for: .milliseconds(20))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
    await #expect(throws: InterprocessError.self) { _ = try await pipe.reader.read(upTo: 1, timeout: .milliseconds(5)) }
  }
}
