import Synchronization

/// How much room to make for a System V message of any size: `kernel.msgmax`, which is read once a process. Where that
/// cannot be read, or was raised since, a message does not fit, and there is more room for it and those that follow.
struct MessageRoom {
  private static let known = Atomic(0)

  /// What the kernel is asked for where its limit is not known: the default one.
  private static let usual = 8192
  /// The kernel's own upper limit of the parameter is INT_MAX.
  private static let most = 1 << 31

  private(set) var byteCount: Int

  init() {
    let known = Self.known.load(ordering: .relaxed)
    byteCount = known > 0 ? known : KernelParameter("kernel.msgmax").value ?? Self.usual
    if known == 0 { Self.known.store(byteCount, ordering: .relaxed) }
  }

  /// Makes more room.
  ///
  /// - Returns: whether there can be messages so large.
  mutating func grow() -> Bool {
    guard byteCount < Self.most else { return false }
    byteCount = max(byteCount * 2, KernelParameter("kernel.msgmax").value ?? 0)
    Self.known.store(byteCount, ordering: .relaxed)
    return true
  }
}
