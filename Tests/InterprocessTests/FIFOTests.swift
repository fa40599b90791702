import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("NamedPipe beside other readers and writers", .blocking, .timeLimit(.minutes(5)))
struct FIFOTests {
  /// A FIFO kept open at both ends.
  private func withFIFO<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let reader = try NamedPipe.Reader(opening: path, keepingOpen: true)
    defer { withExtendedLifetime(reader.descriptor.rawValue) {} }
    return try body(path)
  }

  /// Looking first and reading then would block when the other one comes in between.
  @Test("two readers that do not wait never block, whoever gets the byte", arguments: [false, true])
  func twoReaders(adopted: Bool) throws {
    try withFIFO { path in
      let writer = try NamedPipe.Writer(opening: path)
      try Rivals.contend { attempt in
        if adopted {
          let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: open(path.string, O_RDONLY | O_CLOEXEC)))
          try attempt { try reader.tryRead(upTo: 1) != nil }
        } else {
          let reader = try NamedPipe.Reader(opening: path)
          try attempt { try reader.tryRead(upTo: 1) != nil }
        }
      } provoking: {
        try writer.write([1])
      }
    }
  }

  @Test("two writers that do not wait never block, whoever gets the room", arguments: [false, true])
  func twoWriters(adopted: Bool) throws {
    try withFIFO { path in
      let reader = try NamedPipe.Reader(opening: path, waitingForWriter: false)
      let page = [UInt8](repeating: 7, count: 4096)
      try reader.setCapacity(page.count)
      try NamedPipe.Writer(opening: path).write(page)
      try Rivals.contend { attempt in
        if adopted {
          let writer = Pipe.Writer(adopting: OwnedDescriptor(adopting: open(path.string, O_WRONLY | O_CLOEXEC)))
          try attempt { try writer.tryWrite(page) != nil }
        } else {
          let writer = try NamedPipe.Writer(opening: path)
          try attempt { try writer.tryWrite(page) != nil }
        }
      } provoking: {
        _ = try reader.read(exactly: page.count)
      }
    }
  }

  @Test("after a call that did not wait, one that waits does so still, at either end")
  func waitingAfterwards() throws {
    try withFIFO { path in
      let reader = try NamedPipe.Reader(opening: path, waitingForWriter: false)
      let nothing = try reader.tryRead(upTo: 1)
      #expect(nothing == nil)
      let large = [UInt8](repeating: 1, count: 200_000)
      let writing = Background {
        let writer = try NamedPipe.Writer(opening: path)
        usleep(20_000)
        let first = try writer.tryWrite(large) ?? 0
        try writer.write(Array(large[first...]))
      }
      let bytes = try reader.read(upTo: 1)
      let rest = try reader.read(exactly: 199_999)
      try writing.value()
      #expect(bytes.count + (rest?.count ?? 0) == 200_000)
    }
  }

  @Test("an adopted FIFO is left as blocking as it came")
  func adopted() throws {
    try withFIFO { path in
      let number = open(path.string, O_RDONLY | O_CLOEXEC)
      let reader = Pipe.Reader(adopting: OwnedDescriptor(adopting: number))
      let nothing = try reader.tryRead(upTo: 1)
      #expect(nothing == nil)
      #expect(fcntl(number, F_GETFL) & O_NONBLOCK == 0)
      let gone = #expect(throws: InterprocessError.self) {
        let directory = try TemporaryDirectory()
        let unread = directory.path.appending("fifo")
        try NamedPipe.create(at: unread)
        var reader = try NamedPipe.Reader(opening: unread, waitingForWriter: false)
        let writer = Pipe.Writer(adopting: OwnedDescriptor(adopting: open(unread.string, O_WRONLY | O_CLOEXEC)))
        try reader.close()
        // A program that another test is starting has a copy of the reader for a moment.
        let deadline = ContinuousClock.now + generous
        while ContinuousClock.now < deadline { _ = try writer.tryWrite([1]) }
      }
      #expect(gone?.errno == .brokenPipe)
    }
  }

  @Test("a writer in packet mode keeps its writes apart")
  func packets() throws {
    try withFIFO { path in
      let reader = try NamedPipe.Reader(opening: path, waitingForWriter: false)
      let writer = try NamedPipe.Writer(opening: path, packets: true)
      try writer.write([1, 2])
      try writer.write([3], timeout: generous)
      let third = try writer.tryWrite([4, 5, 6])
      let packets = [try reader.read(upTo: 10), try reader.read(upTo: 10, timeout: generous), try reader.read(upTo: 2)]
      #expect(packets == [[1, 2], [3], [4, 5]])
      #expect(third == 3)
      let rest = try reader.tryRead(upTo: 10)
      #expect(rest == nil, "what of a packet did not fit is lost")
    }
  }

  @Test("a task splices from a FIFO that was read without waiting into a file")
  func splicing() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let reader = try NamedPipe.Reader(opening: path, waitingForWriter: false)
    let writing = Background {
      let writer = try NamedPipe.Writer(opening: path)
      usleep(20_000)
      try writer.write([1, 2, 3])
      usleep(20_000)
    }
    _ = try reader.tryRead(upTo: 1)
    let file = try FileDescriptor.open(
      directory.path.appending("file"), .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
    defer { try? file.close() }
    // Until the writer has opened it the stream is at its end.
    var moved = 0
    let deadline = ContinuousClock.now + generous
    while moved == 0, ContinuousClock.now < deadline {
      moved = try await reader.splice(upTo: 10, into: file, timeout: generous)
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(moved == 3)
    try writing.value()
  }

  @Test("vmsplice takes what the pipe has room for, and a loop brings all of it across")
  func vmspliceLarge() throws {
    let pipe = try Pipe()
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 300_000, alignment: 4096)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 7)
    let copy = dup(pipe.reader.descriptor.rawValue)
    let reading = Background {
      try Pipe.Reader(adopting: OwnedDescriptor(adopting: copy)).read(exactly: 300_000, timeout: generous)
    }
    var lent = 0
    var calls = 0
    while lent < memory.count {
      lent += try pipe.writer.vmsplice(lending: UnsafeRawBufferPointer(rebasing: memory[lent...]))
      calls += 1
    }
    let received = try reading.value()
    #expect(received == [UInt8](repeating: 7, count: 300_000))
    #expect(calls > 1)
  }
}

/// Two threads that try the same thing again and again without waiting, while only one can have it.
private final class Rivals: Sendable {
  private struct State {
    var attempts = [0, 0]
    var successes = 0
    var isOver = false
  }

  private let state = Mutex(State())

  /// - Parameters:
  ///   - prepare: opens what a rival needs, on its thread, and hands its attempt over, which says whether it had it.
  ///   - provoke: gives one of them what both want.
  static func contend(
    _ prepare: @escaping @Sendable (_ attempt: (() throws -> Bool) throws -> Void) throws -> Void,
    provoking provoke: () throws -> Void
  ) throws {
    let rivals = Rivals()
    let threads = (0..<2).map { number in Background { try prepare { try rivals.run(number, $0) } } }
    defer { rivals.state.withLock { $0.isOver = true } }
    for round in 1...300 {
      try provoke()
      try rivals.wait { $0.successes == round }
      // Each has come back since, twice: the first time it may have been under way.
      let before = rivals.state.withLock { $0.attempts }
      try rivals.wait { state in zip(state.attempts, before).allSatisfy { $0 >= $1 + 2 } }
    }
    rivals.state.withLock { $0.isOver = true }
    for thread in threads { try thread.value() }
  }

  private func run(_ number: Int, _ attempt: () throws -> Bool) throws {
    while !state.withLock({ $0.isOver }) {
      let hadIt = try attempt()
      state.withLock { state in
        state.attempts[number] += 1
        if hadIt { state.successes += 1 }
      }
    }
  }

  private func wait(until condition: (State) -> Bool) throws {
    let deadline = ContinuousClock.now + generous
    while !state.withLock({ condition($0) }) {
      if ContinuousClock.now > deadline { throw Command.Failure("a rival is blocked: \(state.withLock { $0 })") }
      usleep(10)
    }
  }
}
