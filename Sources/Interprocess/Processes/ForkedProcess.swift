import CInterprocess
import Glibc
import SystemPackage

/// A child process that runs a closure, with a copy of everything this process has.
///
/// ```swift
/// var pipe = try Pipe()
/// var child = try ForkedProcess {
///   try pipe.writer.write(Array("hello".utf8))
/// }
/// let greeting = try pipe.reader.read(upTo: 100)
/// let ending = try child.wait()
/// ```
///
/// Only a process with a single thread may fork: of several threads the child would have one, and what the others held
/// (a lock of malloc's, Swift's whole concurrency) would be held for ever. A process that runs `async` code has several, and
/// one that has opened a ``Channel`` over a queue, a file or shared memory.
///
/// A child that nobody waited for is killed and reaped when its owner goes.
public struct ForkedProcess: ~Copyable, Sendable {
  /// The child's process id. It is the child's until `wait()` has returned.
  public let id: CInt

  /// Whether ``id`` is still this child's: after reaping it may be anybody's, and is never signalled again.
  private var isReaped = false
  private var ending: ProcessEnding?

  /// Forks, and runs `body` in the child.
  ///
  /// The child exits with code 0 when `body` returns; when it throws, the child prints the error to standard error and
  /// exits with code 1. It never returns into the code that called this, and runs no `atexit` handler. What this process
  /// has buffered for standard output is written before the fork, what the child buffers before it exits.
  ///
  /// The corresponding C function is `fork`.
  ///
  /// - Throws: `Errno.notPermitted` when this process has more than one thread; `Errno.resourceTemporarilyUnavailable`
  ///   when the user may have no more processes.
  public init(_ body: () throws -> Void) throws(InterprocessError) {
    try Self.checkThatForkingIsSafe()
    fflush(nil)
    let id = try systemCall("fork", nil, remedy: Self.forkRemedy) { ci_fork() }
    if id == 0 { Self.runChild(body) }
    self.id = id
  }

  private static func checkThatForkingIsSafe() throws(InterprocessError) {
    let threads = ci_thread_count()
    if threads == 1 { return }
    let reason =
      threads < 0
      ? "the number of threads cannot be read from /proc/self/task, and only a process with one thread may fork"
      : "this process has \(threads) threads, and only a process with one may fork; fork before the first `await` "
        + "and before a channel is opened, or start another program instead"
    throw InterprocessError(call: "fork", errno: .notPermitted, remedy: reason)
  }

  private static func forkRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .resourceTemporarilyUnavailable: "this user may have no more processes; raise ulimit -u, or use fewer"
    case .noMemory: "there is not enough memory for another process"
    default: nil
    }
  }

  private static func runChild(_ body: () throws -> Void) -> Never {
    do {
      try body()
    } catch {
      let line = Array("\(error)\n".utf8)
      _ = write(STDERR_FILENO, line, line.count)
      exit(1)
    }
    exit(0)
  }

  /// Ends the forked child that calls it: writes out what it has buffered, and skips the `atexit` handlers, which are
  /// the parent's.
  ///
  /// The corresponding C functions are `fflush` and `_exit`.
  public static func exit(_ code: CInt) -> Never {
    fflush(nil)
    _exit(code)
  }

  deinit {
    if isReaped || !isStillThere { return }
    Glibc.kill(id, SIGKILL)
    var status: CInt = 0
    while waitpid(id, &status, 0) == -1, Errno.current == .interrupted {}
  }

  /// Waits for the child to end, and reaps it.
  ///
  /// The corresponding C function is `waitpid`.
  ///
  /// - Throws: `Errno.noChildProcess` when somebody else has reaped it.
  public mutating func wait() throws(InterprocessError) -> ProcessEnding {
    if let ending { return ending }
    while true {
      if let ending = try reap(options: 0) { return ending }
    }
  }

  /// Waits for the child to end, and reaps it if it does.
  ///
  /// The corresponding C functions are `waitpid`, `pidfd_open` and `poll`; a descriptor is in use while it waits.
  ///
  /// - Parameter timeout: how long to wait; `.zero` only looks.
  /// - Returns: how it ended, or `nil` when it has not.
  public mutating func wait(timeout: Duration) throws(InterprocessError) -> ProcessEnding? {
    if let ending { return ending }
    let deadline = Deadline(timeout)
    if let ending = try reap(options: WNOHANG) { return ending }
    if deadline.hasPassed { return nil }
    let handle = OwnedDescriptor(adopting: try openHandle())
    guard try handle.wait(until: .readable, by: deadline) else { return nil }
    return try reap(options: WNOHANG)
  }

  /// Suspends the task until the child has ended, and reaps it. See the blocking `wait()`.
  ///
  /// The corresponding C functions are `waitpid`, `pidfd_open` and `epoll_wait`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then it is not reaped.
  public nonisolated(nonsending) mutating func wait() async throws -> ProcessEnding {
    while true {
      if let ending = try await wait(timeout: .seconds(1 << 32)) { return ending }
    }
  }

  /// Suspends the task until the child has ended, and reaps it if it does. See the blocking `wait(timeout:)`.
  ///
  /// - Returns: how it ended, or `nil` when it has not.
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then it is not reaped.
  public nonisolated(nonsending) mutating func wait(timeout: Duration) async throws -> ProcessEnding? {
    try Task.checkCancellation()
    if let ending { return ending }
    let deadline = Deadline(timeout)
    if let ending = try reap(options: WNOHANG) { return ending }
    let handle = OwnedDescriptor(adopting: try openHandle())
    do {
      try await becomeReady(handle.fileDescriptor, .readable, by: deadline, for: "waitpid")
    } catch let error as InterprocessError where error.errno == .timedOut {
      return nil
    }
    return try reap(options: WNOHANG)
  }

  private func openHandle() throws(InterprocessError) -> CInt {
    try systemCall("pidfd_open", described) { ci_pidfd_open(id, 0) }
  }

  /// Sends the child a signal; nothing happens when it has been reaped already.
  ///
  /// The corresponding C function is `kill`. The id is kept until the child is reaped, by this value, or by others
  /// where SIGCHLD is ignored or somebody waits for any child; it is asked for first.
  public func signal(_ signal: CInt) throws(InterprocessError) {
    if isReaped || !isStillThere { return }
    try systemCall("kill", described) { Glibc.kill(id, signal) }
  }

  /// Whether the id is the child's still, running or not.
  private var isStillThere: Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0
  }

  private var described: String { "child \(id)" }

  private mutating func reap(options: CInt) throws(InterprocessError) -> ProcessEnding? {
    var status: CInt = 0
    switch valueOrErrno({ waitpid(id, &status, options) }) {
    case .success(0): return nil
    case .success:
      ending = ProcessEnding(waitStatus: status)
      isReaped = true
      return ending
    case .failure(let reason):
      isReaped = reason == .noChildProcess
      throw InterprocessError(
        call: "waitpid", object: described, errno: reason,
        remedy: "somebody else has reaped it, or SIGCHLD is ignored; leave it to ForkedProcess")
    }
  }
}
