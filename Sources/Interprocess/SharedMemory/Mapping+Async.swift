import CInterprocess
import Glibc
import Synchronization
import SystemPackage

extension Mapping {
  /// Waits while the 32-bit number at `offset` is `value`, until ``wake(at:count:)`` is called for it; the task is
  /// suspended meanwhile.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`, on a thread of its own. It may return early, so look at
  /// the number again.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` as soon as the task is cancelled. A
  ///   wake that came at the same moment is not lost: the wait returns then.
  public nonisolated(nonsending) func wait(
    at offset: Int, while value: UInt32, timeout: Duration? = nil
  ) async throws {
    try Task.checkCancellation()
    if try withAtomic(UInt32.self, at: offset, { $0.load(ordering: .acquiring) }) != value { return }
    let region = region
    let result = try await WaitingThread.call(until: Deadline(timeout)) {
      singleCall { Int(ci_futex_wait(region.start + offset, value, nil)) }
    }
    switch result {
    // The number had changed meanwhile.
    case .success, .failure(.wouldBlock): return
    case .failure(let reason): throw InterprocessError(call: "futex", object: "offset \(offset)", errno: reason)
    }
  }
}
