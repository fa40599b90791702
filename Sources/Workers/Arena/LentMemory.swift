import Glibc
import Interprocess
import SystemPackage

/// A block of the pool's ``Arena``, as a worker has it: to be read, and before it a page of the worker's own, at the end of
/// which an array's head has room.
final class LentMemory: Sendable {
  private let start: UInt
  private let length: Int

  /// - Throws: `Errno.noMemory` where no addresses are left.
  init(_ descriptor: borrowing OwnedDescriptor) throws(InterprocessError) {
    let file = descriptor.rawValue
    var status = stat()
    try systemCall("fstat", "arena") { fstat(file, &status) }
    let page = Mapping.pageSize
    let total = page + max(page, Int(status.st_size))
    guard let start = mmap(nil, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      start != MAP_FAILED
    else { throw InterprocessError(call: "mmap", object: "arena", errno: .current) }
    guard mmap(start + page, total - page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED else {
      let error = InterprocessError(call: "mmap", object: "arena", errno: .current)
      munmap(start, total)
      throw error
    }
    self.start = UInt(bitPattern: start)
    length = total
  }

  deinit { munmap(UnsafeMutableRawPointer(bitPattern: start), length) }

  private var address: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: start).unsafelyUnwrapped }
  /// Where an array's head goes.
  var header: UnsafeMutableRawPointer { address + Mapping.pageSize - ArrayHeader.byteCount }

  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: address + Mapping.pageSize, count: length - Mapping.pageSize)
  }
}
