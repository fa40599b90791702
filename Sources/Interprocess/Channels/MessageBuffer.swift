import CInterprocess
import Glibc
import SystemPackage

/// Memory in which a message is put together: kept from message to message, and larger only by what has really come.
struct MessageBuffer: ~Copyable, @unchecked Sendable {
  // Sendable: the memory is this value's alone.

  private var start: UnsafeMutableRawPointer?
  /// Where in the memory the content begins. See ``CopyAlignment``.
  private var offset = 0
  private(set) var capacity = 0
  private(set) var count = 0

  /// What it keeps when it is emptied: a giant message does not hold its memory for ever. Messages of a megabyte cause
  /// no allocations: their memory was doubled until they fitted, with what lies before them and the next one's head.
  private static let kept = 2 << 20 + 2 * CopyAlignment.page

  init() {}

  deinit { free(start) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start.map { $0 + offset }, count: count) }

  /// Forgets the content.
  mutating func removeAll() {
    count = 0
    offset = 0
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
    count += try body(UnsafeMutableRawBufferPointer(start: start.map { $0 + offset + count }, count: more))
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(InterprocessError) {
    try append(room: bytes.count) { room throws(InterprocessError) in
      room.copyMemory(from: bytes)
      return bytes.count
    }
  }

  private mutating func reserve(_ more: Int) throws(InterprocessError) {
    if count == 0, capacity >= CopyAlignment.leastCapacity, let start { offset = CopyAlignment.offset(of: start) }
    if offset + count + more > capacity { try grow(offset + count + more) }
  }

  private mutating func grow(_ needed: Int) throws(InterprocessError) {
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

/// Where in its memory a buffer begins that the kernel copies into.
///
/// What a pipe or a socket holds lies at the beginnings of pages. Where the target lies 1 to 31 bytes further in its page
/// than the source in its own, some processors (AMD's since Zen 3) copy three times as slowly (`rep movsb`). So the target
/// begins in the middle of a page; lengths of messages and the heads between them move it little.
enum CopyAlignment {
  static let page = 4096
  private static let middle = 2048
  /// Memory below that size is for messages that it matters little to.
  static let leastCapacity = 16384

  /// How far after `start` the middle of a page is.
  static func offset(of start: UnsafeRawPointer) -> Int {
    Int(bitPattern: UInt(middle) &- UInt(bitPattern: start)) & (page - 1)
  }

  /// The first place from `position` on that is in the middle of a page, in a buffer that begins with one.
  static func place(from position: Int) -> Int {
    (position + page - middle - 1) / page * page + middle
  }
}
