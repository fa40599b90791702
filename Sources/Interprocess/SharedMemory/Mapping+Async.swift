import CInterprocess
import Glibc
import Synchronization
import SystemPackage

extension Mapping {
  /// Writes what was changed to the file behind the memory, as ``sync(_:in:)`` does; the task is suspended until the
  /// bytes are on the disk.
  ///
  /// The corresponding C function is `msync` with `MS_SYNC`, on a thread of its own. Once it has begun, cancelling the
  /// task does not end it.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError` when nothing was begun.
  public nonisolated(nonsending) func sync(in range: Range<Int>? = nil) async throws {
    try Task.checkCancellation()
    let pages = try self.pages(of: range, for: "msync")
    let (region, count) = (region, pages.count)
    let offset = pages.baseAddress.map { region.start.distance(to: $0) } ?? 0
    let result = try await WaitingThread.call(until: .never) {
      valueOrErrno { msync(region.start + offset, count, CInt(MS_SYNC)) }
    }
    if case .failure(let reason) = result {
      throw InterprocessError(call: "msync", object: described, errno: reason)
    }
  }

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
