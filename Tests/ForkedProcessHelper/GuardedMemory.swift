import Glibc
import Interprocess

/// Shared memory between two pages that nobody may touch: who goes past either of its ends gets SIGSEGV, and not what
/// happens to lie there.
final class GuardedMemory: @unchecked Sendable {
  // Sendable: what is done to the memory is ordered by whoever does it, or, here, not at all.

  let segment: SystemVSharedMemory

  /// All of the memory that may be touched, which ends with a page and the segment maybe before.
  let pages: UnsafeMutableRawBufferPointer

  init(byteCount: Int) throws {
    let page = Mapping.pageSize
    let size = (byteCount + page - 1) / page * page
    // The pages around it stay for as long as the process: they are addresses, and no memory.
    let around = mmap(nil, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let around, around != MAP_FAILED else { throw RingFailure(description: "mmap: \(errno)") }
    // The one kind of memory that goes where it is told to.
    let created = try SystemVSharedMemory(byteCount: byteCount)
    defer { try? created.remove() }
    segment = try SystemVSharedMemory(id: created.id, placement: .unsafelyReplacing(around + page))
    pages = UnsafeMutableRawBufferPointer(start: around + page, count: size)
    let outside = [around, around + (page - 1), around + (page + size), around + (2 * page + size - 1)]
    let inside = [around + page, around + (page + size - 1)]
    guard outside.allSatisfy(Self.isOutOfReach), !inside.contains(where: Self.isOutOfReach) else {
      throw RingFailure(description: "the memory does not lie between pages that nobody may touch")
    }
  }

  /// Whether the kernel finds nothing to read there.
  private static func isOutOfReach(_ address: UnsafeMutableRawPointer) -> Bool {
    access(address.assumingMemoryBound(to: CChar.self), F_OK) == -1 && errno == EFAULT
  }
}
