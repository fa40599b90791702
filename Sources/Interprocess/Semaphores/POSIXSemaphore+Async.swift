extension POSIXSemaphore {
  /// Takes one from the value; the task is suspended while it is 0.
  ///
  /// The corresponding C function is `sem_wait`. It waits on a thread of its own, since there is no descriptor to wait
  /// for.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` as soon as the task is cancelled, and
  ///   then nothing was taken.
  public nonisolated(nonsending) func acquire(timeout: Duration? = nil) async throws {
    try await semaphore.acquire(by: Deadline(timeout), quotedName)
  }

  /// Calls `body`, which may suspend, between `acquire(timeout:)` and ``release()``.
  public nonisolated(nonsending) func withAcquired<Result>(
    timeout: Duration? = nil, _ body: nonisolated(nonsending) () async throws -> Result
  ) async throws -> Result {
    try await semaphore.withAcquired(by: Deadline(timeout), quotedName, body)
  }
}
