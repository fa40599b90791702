import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// The async forms that wait because somebody else is slow: each is cancelled while it does, without any traffic.
@Suite("Cancelling", .queues(), .blocking, .timeLimit(.minutes(5)))
struct AsyncCancellationTests {
  /// Cancels `wait`, which has nothing to go on for.
  private func cancel(_ wait: @escaping @Sendable () async throws -> Void) async throws {
    let waiting = Task { try await wait() }
    try await Task.sleep(for: .milliseconds(20))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
  }

  @Test("those who accept")
  func accepting() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("stream")
    let packets = directory.path.appending("packets")
    try await cancel { _ = try await UnixListener(at: .path(path)).accept() }
    try await cancel { _ = try await MessageListener(at: .path(packets)).accept() }
  }

  @Test("those who send into a full queue, and nothing is sent")
  func sendingIntoQueues() async throws {
    let name = Unique.name()
    let posix = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 8)
    let systemV = try SystemVMessageQueue()
    defer {
      try? POSIXMessageQueue.unlink(name)
      try? systemV.remove()
    }
    try await posix.send([1])
    let message = [UInt8](repeating: 1, count: 4000)
    while try systemV.trySend(message.span.bytes, type: 1) {}
    let (id, waiting) = (systemV.id, try systemV.status().messages)
    try await cancel { try await POSIXMessageQueue(opening: name).send([2]) }
    try await cancel { try await SystemVMessageQueue(id: id).send(message, type: 1) }
    #expect(try posix.currentMessages == 1)
    #expect(try systemV.status().messages == waiting)
  }

  @Test("those who send to a socket that nobody reads")
  func sendingToSockets() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("datagrams")
    let receiver = try MessageSocket(boundTo: .path(path))
    try await cancel {
      let sender = try MessageSocket()
      for _ in 0..<10_000 { try await sender.send([1], to: .path(path)) }
    }
    try await cancel {
      let pair = try SocketPair()
      for _ in 0..<10_000 { try await pair.first.write([UInt8](repeating: 1, count: 4096)) }
      withExtendedLifetime(pair.second.fileDescriptor) {}
    }
    withExtendedLifetime(receiver.descriptor.rawValue) {}
  }

  @Test("those who move bytes between pipes")
  func pipes() async throws {
    try await cancel {
      let full = try Pipe()
      for _ in 0..<10_000 { try await full.writer.write([UInt8](repeating: 1, count: 4096)) }
      withExtendedLifetime(full.reader.fileDescriptor) {}
    }
    try await cancel {
      let empty = try Pipe()
      let target = try Pipe()
      _ = try await empty.reader.tee(upTo: 1, into: target.writer)
    }
    try await cancel {
      let empty = try Pipe()
      let target = try Pipe()
      _ = try await empty.reader.splice(upTo: 1, into: target.writer)
    }
    try await cancel {
      let full = try Pipe()
      let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
      defer { page.deallocate() }
      for _ in 0..<10_000 { _ = try await full.writer.vmsplice(lending: UnsafeRawBufferPointer(page)) }
      withExtendedLifetime(full.reader.fileDescriptor) {}
    }
  }

  @Test("those who add to a full counter, or wait for an empty one")
  func counters() async throws {
    try await cancel {
      let full = try EventCounter()
      try await full.add(UInt64.max - 1)
      try await full.add(1)
    }
    try await cancel { try await EventCounter().wait() }
  }

  @Test("those who wait for a process, which runs on")
  func processes() async throws {
    let process = try SleepingProcess()
    defer { process.end() }
    let id = process.id
    try await cancel { try await ProcessHandle(of: id).wait() }
    try await cancel { _ = try await ProcessHandle(of: id).reap() }
    #expect(kill(id, 0) == 0)
  }

  @Test("those who wait for a semaphore take nothing, and what a task took with undo stays taken when its thread ends")
  func undo() async throws {
    let set = try SystemVSemaphoreSet(values: [0])
    defer { try? set.remove() }
    let id = set.id
    try await cancel { try await SystemVSemaphoreSet(id: id).acquire(undo: true) }
    let taking = Task { try await SystemVSemaphoreSet(id: id).acquire(undo: true, timeout: generous) }
    // It waits on a thread of its own, mostly, which ends with the wait.
    try await Task.sleep(for: .milliseconds(20))
    try set.release()
    try await taking.value
    try await Task.sleep(for: .milliseconds(20))
    #expect(try set.value() == 0)
  }

  @Test("those whose time is up learn of what, by its name")
  func timeouts() async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 8)
    defer { try? POSIXMessageQueue.unlink(name) }
    let empty = await #expect(throws: InterprocessError.self) {
      _ = try await POSIXMessageQueue(opening: name).receive(timeout: .milliseconds(5))
    }
    #expect(empty.map { "\($0)" } == "mq_receive(\"\(name)\"): Connection timed out")
    try await queue.send([1])
    let full = await #expect(throws: InterprocessError.self) {
      try await POSIXMessageQueue(opening: name).send([1], timeout: .milliseconds(5))
    }
    #expect(full.map { "\($0)" } == "mq_send(\"\(name)\"): Connection timed out: the queue is full")
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try UnixListener(at: .path(path))
    do {
      _ = try await listener.accept(timeout: .milliseconds(5))
      Issue.record("nobody came")
    } catch { #expect("\(error)".contains("accept(\"\(path)\")"), "\(error)") }
  }

  @Test("async copies between pipes copy, and take")
  func copies() async throws {
    let source = try Pipe()
    let copy = try Pipe()
    let target = try Pipe()
    try await source.writer.write([1, 2, 3])
    #expect(try await source.reader.tee(upTo: 9, into: copy.writer, timeout: generous) == 3)
    #expect(try await source.reader.splice(upTo: 9, into: target.writer, timeout: generous) == 3)
    #expect(try await copy.reader.read(upTo: 9, timeout: generous) == [1, 2, 3])
    #expect(try await target.reader.read(upTo: 9, timeout: generous) == [1, 2, 3])
    #expect(try source.reader.tryRead(upTo: 9) == nil)
  }
}

/// A process that does nothing until it is ended.
struct SleepingProcess {
  let id: pid_t

  init() throws {
    var id: pid_t = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("100"), nil]
    defer { for argument in arguments { free(argument) } }
    guard posix_spawn(&id, "/bin/sleep", nil, nil, &arguments, environ) == 0 else { throw Command.Failure("no sleep") }
    self.id = id
  }

  func end() {
    kill(id, SIGKILL)
    var status: CInt = 0
    waitpid(id, &status, 0)
  }
}
