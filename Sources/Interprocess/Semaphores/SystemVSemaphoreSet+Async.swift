import CInterprocess
import Glibc
import SystemPackage

extension SystemVSemaphoreSet {
  /// Performs all operations at once; the task is suspended until each of them is possible.
  ///
  /// The corresponding C function is `semtimedop`. It waits on a thread of its own, since there is no descriptor to wait
  /// for. See the blocking `perform(_:timeout:)`.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled first: nothing was performed then.
  public nonisolated(nonsending) func perform(_ operations: [Operation], timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    if try tryPerform(operations) { return }
    let id = id
    let raw = operations.map { operation in
      (index: operation.index, change: operation.change, flags: operation.raw(0).sem_flg)
    }
    let result = try await WaitingThread.call(until: Deadline(timeout)) {
      // sembuf is not known to be Sendable, its three numbers are.
      var operations = raw.map { sembuf(sem_num: $0.index, sem_op: $0.change, sem_flg: $0.flags) }
      return singleCall { Int(ci_semtimedop(id, &operations, operations.count, nil)) }
    }
    guard case .failure(let reason) = result else { return }
    throw InterprocessError(call: "semop", object: described, errno: reason, remedy: Self.useRemedy(reason))
  }

  /// Takes one from a semaphore; the task is suspended while it is 0.
  ///
  /// See the blocking `perform(_:timeout:)`. With undo it is taken back when this process ends; undo belongs
  /// to the process on Linux, whichever of its threads performed it.
  public nonisolated(nonsending) func acquire(
    _ index: UInt16 = 0, undo: Bool = false, timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    if try tryAcquire(index, undo: undo) { return }
    try await perform([Operation(index: index, change: -1, undo: undo)], timeout: timeout)
  }
}
