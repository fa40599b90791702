import CInterprocess
import Glibc
import SystemPackage

/// The size of the huge pages that ``AnonymousMemory`` and ``SystemVSharedMemory`` can be made of.
///
/// Fewer pages make for fewer misses of the processor's address cache. The kernel sets huge pages aside beforehand, as
/// many as `vm.nr_hugepages` says, and that is 0 unless somebody raises it.
public struct HugePageSize: Hashable, Sendable {
  /// The kernel's own size, `Hugepagesize` in `/proc/meminfo`: 2 MiB on x86-64.
  public static var standard: HugePageSize { HugePageSize(shift: 0) }

  /// The base-2 logarithm of the size; 0 for the kernel's own.
  private let shift: CInt

  private init(shift: CInt) { self.shift = shift }

  /// - Parameter byteCount: a power of two that the machine has, for example `2 << 20` or `1 << 30`.
  /// - Returns: `nil` for what is not a power of two.
  public init?(byteCount: Int) {
    guard byteCount > 1, byteCount & (byteCount - 1) == 0 else { return nil }
    shift = CInt(byteCount.trailingZeroBitCount)
  }

  /// As `memfd_create` and `shmget` want it: bits 26 to 31 (`MFD_HUGE_SHIFT`, `SHM_HUGE_SHIFT`).
  var flags: CInt { CInt(bitPattern: UInt32(shift) << 26) }

  /// What to do about the reasons that memory of huge pages fails for.
  func remedy(for reason: Errno) -> String? {
    switch reason {
    case .noMemory, .noSpace:
      "not so many huge pages are free; \(KernelParameter("vm.nr_hugepages").described) is how many the machine "
        + "sets aside: raise it with sysctl"
    case .notPermitted: "the user's group has to be vm.hugetlb_shm_group"
    case .operationNotSupportedByDevice, .noSuchFileOrDirectory, .invalidArgument, .noFunction:
      "this machine has no huge pages of this size; see /sys/kernel/mm/hugepages"
    default: nil
    }
  }
}
