import Distributed
import Glibc
import Synchronization

@testable import Workers

/// A worker that does what none of ours does.
distributed actor Mischief: WorkerActor {
  distributed func process() -> Int32 { getpid() }

  /// Closes all that it has, its channel among it, and lives on.
  distributed func closeEverything() {
    for descriptor in CInt(3)..<256 { close(descriptor) }
    while getpid() > 0 { usleep(10_000) }
  }

  /// Sends what is no frame, and lives on.
  distributed func sendGarbage() throws {
    try WorkerContext.current?.send([99, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    while getpid() > 0 { usleep(10_000) }
  }

  /// Sends a message when it has nothing to do any more.
  distributed func speakOutOfTurn() -> Int32 {
    if let send = WorkerContext.current?.send {
      Task { @concurrent in
        try await Task.sleep(for: .milliseconds(20))
        try send([99, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      }
    }
    return getpid()
  }

  /// Reports until it is cancelled, and for a while after that.
  distributed func reportPastCancellation() throws {
    var left = 100
    while left > 0 {
      if Task.isCancelled { left -= 1 }
      try WorkerContext.report(left)
      usleep(1000)
    }
  }

  /// Leaves a task behind that reports.
  distributed func leaveReporter() -> Int32 {
    Task { @concurrent in
      for count in 0..<100 {
        try WorkerContext.report(count)
        try await Task.sleep(for: .microseconds(500))
      }
    }
    return getpid()
  }

  distributed func sleep(milliseconds: Int) async throws -> Int32 {
    try await Task.sleep(for: .milliseconds(milliseconds))
    return getpid()
  }

  distributed func giveUp() throws { throw CancellationError() }
  distributed func spin() { while getpid() > 0 {} }
  distributed func die() { kill(getpid(), SIGKILL) }
}

/// A worker that never starts.
distributed actor Unwilling: WorkerActor {
  typealias ActorSystem = WorkerSystem

  struct Unwillingness: Error {}
  static func workerDidStart() throws { throw Unwillingness() }
}
