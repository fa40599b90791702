import CInterprocess
import Glibc

/// A stretch of addresses that `mmap` or `shmat` gave, unmapped when the last of those who refer to it has gone: the
/// ``Mapping``, and the locks and arrays that lie in it.
///
/// It never moves and never changes, so that they can keep pointers into it. Memory that is resized gets a new region.
final class MappedRegion: @unchecked Sendable {
  // Sendable: it is never changed after it was made; what lies behind the pointer is ordered by whoever uses it.
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  private let isSystemV: Bool

  init(start: UnsafeMutableRawPointer, byteCount: Int, isSystemV: Bool) {
    self.start = start
    self.byteCount = byteCount
    self.isSystemV = isSystemV
  }

  deinit {
    if isSystemV {
      shmdt(start)
    } else {
      munmap(start, byteCount)
    }
  }
}
