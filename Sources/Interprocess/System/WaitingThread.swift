import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Runs a system call that blocks and has no descriptor to wait for (`msgrcv`, `semop`, `sem_wait`) on a thread of its
/// own, for a task that is suspended meanwhile.
///
/// Cancelling the task, or its deadline, interrupts the call by a signal to just that thread, repeated by a timer until
/// the thread has acknowledged it by ending: a single signal may come before the call has begun. Whatever the call had
/// done by then counts: a message that was received is returned, cancelled or not.
final class WaitingThread: Sendable {
  private struct State {
    var thread: pid_t?
    var timer: InterruptTimer.Handle?
    var isCancelled = false
    var hasEnded = false
  }

  private let state = Mutex(State())

  /// - Parameter body: makes the call once, and returns what it returned. It is called again after an interruption that
  ///   meant nothing.
  /// - Throws: `CancellationError`; ``InterprocessError`` when there is no thread to be had.
  /// - Returns: the call's result; `Errno.timedOut` when the deadline passed first.
  static func call<Value: Sendable>(
    until deadline: Deadline, _ body: @escaping @Sendable () -> Result<Value, Errno>
  ) async throws -> Result<Value, Errno> {
    let waiting = WaitingThread()
    let result = try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        waiting.start(continuation) { waiting.run(until: deadline, body) }
      }
    } onCancel: {
      waiting.cancel()
    }
    if case .failure(.canceled) = result { throw CancellationError() }
    return result
  }

  private func start<Value: Sendable>(
    _ continuation: CheckedContinuation<Result<Value, Errno>, any Error>,
    _ work: @escaping @Sendable () -> Result<Value, Errno>
  ) {
    let job = Unmanaged.passRetained(Job { continuation.resume(returning: work()) })
    do {
      try systemCall("pthread_create", nil, remedy: threadRemedy) {
        ci_start_thread(
          { argument in
            argument.map { Unmanaged<Job>.fromOpaque($0).takeRetainedValue().run() }
            return nil
          }, job.toOpaque())
      }
    } catch {
      job.release()
      continuation.resume(throwing: error)
    }
  }

  private final class Job: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// On the thread: calls `body` until it has an answer, the deadline passes, or the wait is cancelled.
  private func run<Value>(until deadline: Deadline, _ body: () -> Result<Value, Errno>) -> Result<Value, Errno> {
    InterruptTimer.unblockAll()
    state.withLock { $0.thread = ci_thread_id() }
    if !deadline.isNever { interrupt(after: deadline) }
    defer { end() }
    while true {
      if state.withLock({ $0.isCancelled }) { return .failure(.canceled) }
      let result = body()
      guard case .failure(.interrupted) = result else { return result }
      if deadline.hasPassed { return .failure(.timedOut) }
    }
  }

  private func cancel() {
    state.withLock { $0.isCancelled = true }
    interrupt(after: Deadline(.zero))
  }

  /// Has a timer signal the thread, from the deadline on until it ends.
  private func interrupt(after deadline: Deadline) {
    state.withLock { state in
      guard let thread = state.thread, !state.hasEnded else { return }
      if let timer = state.timer { timer.delete() }
      state.timer = InterruptTimer.start(for: thread, at: deadline)
    }
  }

  private func end() {
    state.withLock { state in
      state.hasEnded = true
      if let timer = state.timer { timer.delete() }
    }
  }
}

func threadRemedy(_ reason: Errno) -> String? {
  reason == .resourceTemporarilyUnavailable
    ? "this user may have no more threads; raise ulimit -u, or wait for less" : nil
}
