import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Run under strace, which has the flags of `preadv2` and `pwritev2` refused as kernels do that do not know them.
func pipesOfOldKernels() throws {
  var pipe = try Pipe()
  say("nothing yet: \(try pipe.reader.tryRead(upTo: 1) == nil)")
  let large = [UInt8](repeating: 1, count: 100_000)
  say("room: \(try pipe.writer.tryWrite(large) ?? -1)")
  say("no room: \(try pipe.writer.tryWrite(large) == nil)")
  say("bytes: \(try pipe.reader.tryRead(upTo: 100_000)?.count ?? -1)")
  do {
    try pipe.writer.write(large, timeout: .milliseconds(20))
  } catch {
    say("timeout: \(error.isTimeout)")
  }
  _ = try pipe.reader.read(upTo: 100_000)

  // A blocked write that went in part returns how much, and has raised SIGPIPE all the same.
  var child = try ForkedProcess {
    try pipe.writer.close()
    _ = try pipe.reader.read(exactly: 10_000)
  }
  try pipe.reader.close()
  do {
    try pipe.writer.write([UInt8](repeating: 0, count: 1 << 20))
  } catch {
    say("reader left: \(error.errno == .brokenPipe)")
  }
  _ = try child.wait()
  var pending = sigset_t()
  sigpending(&pending)
  say("signal left: \(sigismember(&pending, SIGPIPE) == 1)")
}

/// What has neither a descriptor nor a timeout is waited for although this user may have no more signals waiting, which
/// is what timers count as.
func waitsWithoutTimers() throws {
  let queue = try SystemVMessageQueue()
  defer { try? queue.remove() }
  let id = queue.id
  limit(Limit.pendingSignals, to: 0)
  provoke("blocking, timeout") { _ = try queue.receive(timeout: .milliseconds(30)) }
  provoke("task, timeout") {
    try task { _ = try await SystemVMessageQueue(id: id).receive(timeout: .milliseconds(30)) }
  }
  provoke("task, cancelled") {
    do {
      try task {
        let waiting = Task { _ = try await SystemVMessageQueue(id: id).receive() }
        try await Task.sleep(for: .milliseconds(30))
        waiting.cancel()
        try await waiting.value
      }
    } catch is CancellationError {
      throw InterprocessError(call: "Task.cancel", errno: .canceled)
    }
  }
  provoke("task, message") {
    try queue.send([1], type: 1)
    try task { _ = try await SystemVMessageQueue(id: id).receive(timeout: .seconds(30)) }
  }
}

/// The first wait of a task finds no descriptor left, and the next one finds some.
func firstWaitWithoutDescriptors() throws {
  let counter = Shared(try EventCounter())
  @Sendable func take() async throws { _ = try await counter.counter.take(timeout: .milliseconds(30)) }
  try task {}
  limiting(Limit.openFiles, to: 3) { provoke("first") { try task(take) } }
  provoke("second") { try task(take) }
}

/// Run under strace, which has one of the calls fail that suspended waits make, on whichever thread.
func waitsInjected() throws {
  let counter = Shared(try EventCounter())
  provoke("descriptor") { try task { _ = try await counter.counter.take(timeout: .milliseconds(20)) } }
  let name = ownName
  let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 8)
  defer { try? POSIXMessageQueue.unlink(name) }
  try queue.send([1])
  provoke("notification") { try task { _ = try await POSIXMessageQueue(opening: name).notifications().next() } }
  let messages = try SystemVMessageQueue()
  defer { try? messages.remove() }
  let id = messages.id
  provoke("thread") { try task { _ = try await SystemVMessageQueue(id: id).receive(timeout: .milliseconds(20)) } }
}

/// A user who may have no more threads; root is asked to run it, and becomes one.
func waitWithoutThreads() throws {
  // A thread for tasks is there by then.
  try task {}
  try asNobody {
    let queue = try SystemVMessageQueue()
    defer { try? queue.remove() }
    let id = queue.id
    limiting(Limit.processes, to: 0) {
      provoke("thread") { try task { _ = try await SystemVMessageQueue(id: id).receive() } }
    }
  }
}

private final class Shared: Sendable {
  let counter: EventCounter
  init(_ counter: consuming EventCounter) { self.counter = counter }
}

/// Runs a task to its end from a program without any.
func task(_ body: @escaping @Sendable () async throws -> Void) throws {
  let outcome = Outcome()
  Task {
    do {
      try await body()
      outcome.value.withLock { $0 = .success(()) }
    } catch {
      outcome.value.withLock { $0 = .failure(error) }
    }
  }
  for _ in 0..<30_000 {
    if let result = outcome.value.withLock({ $0 }) { return try result.get() }
    usleep(1000)
  }
  throw InterprocessError(call: "Task", errno: .timedOut, remedy: "it has not ended in 30 seconds")
}

private final class Outcome: Sendable {
  let value = Mutex<Result<Void, any Error>?>(nil)
}

/// A message larger than the usual limit, in a process that cannot look the limit up.
func largeMessageWithoutDescriptors() throws {
  let queue = try SystemVMessageQueue()
  defer { try? queue.remove() }
  try queue.send([UInt8](repeating: 7, count: 30_000), type: 1)
  limiting(Limit.openFiles, to: 3) {
    provoke("receive") { say("bytes|\(try queue.receive(timeout: .seconds(10)).bytes.count)|") }
  }
}
