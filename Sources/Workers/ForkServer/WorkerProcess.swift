import CInterprocess
import Glibc
package import Interprocess
import Synchronization
import SystemPackage

/// What happens to a worker process. One of ``ended(_:)`` comes last, and exactly once.
package enum WorkerProcessEvent: Sendable {
  /// It runs, and can be signalled.
  case started(processID: CInt)

  /// A signal stopped it.
  case stopped(signal: CInt)

  /// It runs again.
  case continued

  case ended(WorkerProcessEnding)
}

/// How a worker process ended, as far as it is known.
package enum WorkerProcessEnding: Sendable {
  /// It never ran its program.
  case notStarted(InterprocessError)

  case reaped(ProcessEnding, ResourceUsage)

  /// It has ended after its fork server, which would have known how.
  case unknown
}

/// A worker process, seen from its parent.
package final class WorkerProcess: Sendable {
  struct State: ~Copyable {
    var processID: CInt?
    /// From its start to its end.
    var handle: ProcessHandle?
    /// Sent as soon as it has started.
    var pendingSignals: [CInt] = []
    var failure: InterprocessError?
    var hasEnded = false
  }

  let id: UInt64
  let output: CollectedOutput?
  let errors: CollectedOutput?
  let queues: [CInt]
  let onEvent: @Sendable (WorkerProcessEvent) -> Void
  let state = Mutex(State())

  init(
    id: UInt64, output: CollectedOutput?, errors: CollectedOutput?, queues: [CInt],
    onEvent: @escaping @Sendable (WorkerProcessEvent) -> Void
  ) {
    self.id = id
    self.output = output
    self.errors = errors
    self.queues = queues
    self.onEvent = onEvent
  }

  /// The process id, from ``WorkerProcessEvent/started(processID:)`` on. It may be another's once the worker has ended.
  package var processID: CInt? { state.withLock { $0.processID } }

  /// The end of what it wrote to standard output and error, where that is collected: all of it once it has ended.
  package var outputTail: String? { output?.tail }
  package var errorsTail: String? { errors?.tail }

  /// Sends it a signal: now, or once it has started. One that has ended gets none.
  ///
  /// The corresponding C function is `pidfd_send_signal`.
  package func signal(_ signal: CInt) throws(InterprocessError) {
    let result = state.withLock { state -> Result<Void, InterprocessError> in
      if state.hasEnded { return .success(()) }
      guard let handle = state.handle?.descriptor.rawValue else {
        state.pendingSignals.append(signal)
        return .success(())
      }
      return Self.send(signal, handle)
    }
    try result.get()
  }

  /// Ends it at once.
  package func kill() { try? signal(SIGKILL) }

  private static func send(_ signal: CInt, _ handle: CInt) -> Result<Void, InterprocessError> {
    switch valueOrErrno({ ci_pidfd_send_signal(handle, signal) }) {
    // It has ended, and its ending is on the way here.
    case .success, .failure(.noSuchProcess): .success(())
    case .failure(let reason):
      .failure(InterprocessError(call: "pidfd_send_signal", object: "signal \(signal)", errno: reason))
    }
  }
}

extension WorkerProcess {
  /// A pidfd of the caller's own; `nil` before the process is there and once it has ended.
  func copyHandle() throws(InterprocessError) -> OwnedDescriptor? {
    let copy = state.withLock { state -> Result<CInt, Errno>? in
      (state.handle?.descriptor.rawValue).map { number in valueOrErrno { fcntl(number, F_DUPFD_CLOEXEC, 0) } }
    }
    switch copy {
    case .success(let number): return OwnedDescriptor(adopting: number)
    case .failure(let reason): throw InterprocessError(call: "fcntl", object: "the worker's pidfd", errno: reason)
    case nil: return nil
    }
  }
}

/// For the thread that reads the control socket, whose calls come one after another.
extension WorkerProcess {
  var hasStarted: Bool { state.withLock { $0.handle != nil } }
  var handleNumber: CInt? { state.withLock { $0.handle?.descriptor.rawValue } }

  func start(process: CInt, handle: consuming OwnedDescriptor) {
    let number = handle.rawValue
    var held: ProcessHandle? = ProcessHandle(adopting: handle)
    state.withLock { state in
      state.processID = process
      state.handle = held.take()
      for signal in state.pendingSignals { _ = Self.send(signal, number) }
      state.pendingSignals = []
    }
    onEvent(.started(processID: process))
  }

  func fail(_ reason: InterprocessError) {
    state.withLock { if $0.failure == nil { $0.failure = reason } }
  }

  /// - Parameter ending: how it ended; `.notStarted` takes its place where it failed to begin.
  func end(_ ending: WorkerProcessEnding) {
    let failure = state.withLock { state -> InterprocessError? in
      state.hasEnded = true
      state.handle = nil
      return state.failure
    }
    output?.close()
    errors?.close()
    onEvent(.ended(failure.map { .notStarted($0) } ?? ending))
  }
}
