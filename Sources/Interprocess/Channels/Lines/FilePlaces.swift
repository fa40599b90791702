/// How messages lie in the file of a mailbox: one after the other, round in a circle, each from a place on where the
/// kernel copies fast. Where each piece lies goes through a small ring beside the file.
enum FileCircle {
  /// The size of the file in bytes. Its sender waits where less than a message is left of it, up to ``worthTelling`` of which
  /// may be read already.
  static let capacity = 1 << 20
  /// The longest piece: while one is read another is written. With shorter ones two sides on one processor change more
  /// often than the copies are worth. A longer one might never find room, where a page begun and what is left before the
  /// end are passed over.
  static let largestPiece = capacity / 2
  /// How much of the file is given back at once.
  static let worthTelling = capacity / 4
  /// The size of the ring in bytes. A power of two, and so are its records: none is left out at its end.
  static let ringCapacity = 1 << 16
  static let recordByteCount = RingPlace.recordByteCount(FilePlace.byteCount)

  private static let page: UInt64 = 4096
  private static let line: UInt64 = 64

  /// Where a piece goes that is written behind `position`, which counts on for ever: in a page of its own unless it is
  /// short, so that the kernel looks for no more pages than it needs, and all of it before the end of the file.
  static func place(of byteCount: Int, behind position: UInt64) -> UInt64 {
    let unit = byteCount < page / 2 ? line : page
    let start = (position &+ (unit - 1)) & ~(unit - 1)
    let left = capacity - offset(of: start)
    return byteCount > left ? start &+ UInt64(left) : start
  }

  static func offset(of position: UInt64) -> Int { Int(truncatingIfNeeded: position) & (capacity - 1) }
}

/// What the ring says of a piece, in three words of 8 bytes.
struct FilePlace {
  static let byteCount = 24

  let head: RingPieceHead
  /// Where in the file it begins.
  let offset: Int
  let count: Int

  init(head: RingPieceHead, offset: Int, count: Int) {
    self.head = head
    self.offset = offset
    self.count = count
  }

  /// - Parameter words: as the other side wrote them, of which nothing is believed.
  /// - Returns: `nil` where that lies outside of the file.
  init?(words: (UInt64, UInt64, UInt64)) {
    let (offset, count) = (UInt64(littleEndian: words.1), UInt64(littleEndian: words.2))
    guard count <= FileCircle.largestPiece, offset <= UInt64(FileCircle.capacity) - count else { return nil }
    self.init(head: RingPieceHead(word: words.0), offset: Int(offset), count: Int(count))
  }

  var words: (UInt64, UInt64, UInt64) {
    (head.word.littleEndian, UInt64(offset).littleEndian, UInt64(count).littleEndian)
  }
}
