import CInterprocess
import Glibc
import SystemPackage

/// Memory in which a message is put together: kept from message to message, and larger only by what has really come.
struct MessageBuffer: ~Copyable, @unchecked Sendable {
  // Sendable: the memory is this value's alone.

  private var start: UnsafeMutableRawPointer?
  private(set) var capacity = 0
  private(set) var count = 0

  /// What it keeps when it is emptied: a giant message does not hold its memory for ever. Messages of a megabyte cause
  /// no allocations: their memory was doubled until they fitted.
  private static let kept = 2 << 20

  init() {}

  deinit { free(start) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Forgets the content.
  mutating func removeAll() {
    count = 0
    guard capacity > Self.kept else { return }
    free(start)
    start = nil
    capacity = 0
  }

  /// Makes room for `more` bytes and hands it to `body`, which says how many it filled.
  mutating func append(
    room more: Int, _ body: (UnsafeMutableRawBufferPointer) throws(InterprocessError) -> Int
  ) throws(InterprocessError) {
    try reserve(more)
    count += try body(UnsafeMutableRawBufferPointer(start: start.map { $0 + count }, count: more))
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(InterprocessError) {
    try append(room: bytes.count) { room throws(InterprocessError) in
      room.copyMemory(from: bytes)
      return bytes.count
    }
  }

  private mutating func reserve(_ more: Int) throws(InterprocessError) {
    let needed = count + more
    if needed <= capacity { return }
    // Doubling, so that many pieces cost as much as a few; realloc moves pages and not bytes where they are many.
    let size = max(needed, capacity * 2, 4096)
    guard let memory = realloc(start, size) else {
      throw InterprocessError(
        call: "realloc", object: "\(size) bytes", errno: .noMemory, remedy: "the message is larger than memory")
    }
    start = memory
    capacity = size
  }
}
