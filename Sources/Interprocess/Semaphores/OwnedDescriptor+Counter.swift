import CInterprocess
import Glibc
import SystemPackage

/// Counters of the kernel that processes share which do not trust each other: the counter is the other side's too, and so
/// is whether it blocks.
extension OwnedDescriptor {
  /// Adds to the counter, if there is room: where there is none, somebody has filled it who should not.
  func addToCounter(_ amount: Int) {
    let flags = fcntl(rawValue, F_GETFL)
    if flags & O_NONBLOCK == 0 { _ = fcntl(rawValue, F_SETFL, flags | O_NONBLOCK) }
    var amount = UInt64(amount)
    _ = Glibc.write(rawValue, &amount, 8)
  }

  /// Takes what was added, at most a gigabyte of it; 0 when nothing was.
  func takeFromCounter() -> Int {
    var added: UInt64 = 0
    guard case .success = takeFromCounter(into: &added) else { return 0 }
    return Int(added % (1 << 30))
  }

  /// Takes what was added, without waiting whether the counter blocks or not.
  @inline(never)
  func takeFromCounter(into taken: inout UInt64) -> Result<Int, Errno> {
    withUnsafeMutableBytes(of: &taken) { storage in
      var vector = iovec(iov_base: storage.baseAddress, iov_len: storage.count)
      return valueOrErrno { ci_preadv2(rawValue, &vector, 1, ci_rwf_nowait()) }
    }
  }
}
