import Interprocess
import Synchronization

/// The call that a worker has: while it runs it may be cancelled, and may report.
final class CurrentCall: Sendable {
  private struct State {
    var call: UInt64?
    /// What serves the calls.
    var task: Task<Void, Never>?
    /// The call that was cancelled last, maybe before it came.
    var cancelled: UInt64 = 0
    /// A report of the call is being sent.
    var isReporting = false
  }

  private let state = Mutex(State())
  /// Held while a report is sent, which may take as long as the pool is slow to read.
  private let turn = Mutex(())
  let send: @Sendable ([UInt8]) throws -> Void

  init(send: @escaping @Sendable ([UInt8]) throws -> Void) { self.send = send }

  /// The calls are served in this task from now on.
  func serve(in task: Task<Void, Never>) { state.withLock { $0.task = task } }

  /// A call begins in the task that serves.
  func begin(_ call: UInt64) {
    state.withLock { state in
      state.call = call
      if state.cancelled == call { state.task?.cancel() }
    }
  }

  /// A call has ended: no report of it comes any more.
  ///
  /// - Returns: whether it was cancelled.
  func end(_ call: UInt64) -> Bool {
    let (isCancelled, isReporting) = state.withLock { state in
      state.call = nil
      return (state.cancelled == call, state.isReporting)
    }
    if isReporting { turn.withLock { _ in } }
    return isCancelled
  }

  /// A call is cancelled, whatever it does.
  ///
  /// - Returns: the task that runs it, to be cancelled, if it has begun.
  func cancel(_ call: UInt64) -> Task<Void, Never>? {
    // A worker has one call at a time, so the last one says it all.
    state.withLock { state in
      state.cancelled = call
      return state.call == call ? state.task : nil
    }
  }

  /// Sends a report, unless its call has ended.
  func report(_ frame: [UInt8], of call: UInt64) throws {
    try turn.withLock { _ in
      let isCurrent = state.withLock { state in
        state.isReporting = state.call == call
        return state.isReporting
      }
      guard isCurrent else { return }
      defer { state.withLock { $0.isReporting = false } }
      try send(frame)
    }
  }
}
