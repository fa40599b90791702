import CInterprocess
import Glibc

extension SemaphorePointer {
  /// Takes one from the value; a thread waits for it, since a semaphore has no descriptor to wait for.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled before there was one to take. What
  ///   the thread has taken counts, cancelled or not, so no release is lost.
  nonisolated(nonsending) func acquire(by deadline: Deadline, _ object: @autoclosure () -> String) async throws {
    try Task.checkCancellation()
    if try tryAcquire(object()) { return }
    let result = try await WaitingThread.call(until: deadline) { singleCall { Int(sem_wait(raw)) } }
    guard case .failure(let reason) = result else { return }
    throw InterprocessError(call: "sem_wait", object: object(), errno: reason)
  }

  nonisolated(nonsending) func withAcquired<Result>(
    by deadline: Deadline, _ object: @autoclosure () -> String,
    _ body: nonisolated(nonsending) () async throws -> Result
  ) async throws -> Result {
    try await acquire(by: deadline, object())
    let result: Result
    do {
      result = try await body()
    } catch {
      try release(object())
      throw error
    }
    try release(object())
    return result
  }
}
