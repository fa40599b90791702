import Glibc
import Interprocess

/// Large memory that is about to be filled for the first time: most of the time goes into giving it its pages, one by one.
enum HugePages {
  private static let smallest = 8 << 20

  /// Asks the kernel for larger pages, where it gives them to those that ask. Where it does not, nothing is lost.
  static func advise(_ memory: UnsafeMutableRawBufferPointer) {
    guard memory.count >= smallest, let start = memory.baseAddress else { return }
    let page = UInt(Mapping.pageSize)
    let first = (UInt(bitPattern: start) + page - 1) / page * page
    let end = (UInt(bitPattern: start) + UInt(memory.count)) / page * page
    // The array's own pages, and only advice: what is in them stays.
    madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_HUGEPAGE)
  }
}
