/// How messages lie in a stream of bytes: as Python's `multiprocessing.connection` frames them. A length as 4 bytes,
/// big-endian, or -1 and the length as 8 bytes where it does not fit; then the message.
///
/// A message that carries descriptors, of which Python knows nothing, begins with -2, their count as 4 bytes and the
/// length as 8.
enum StreamFrame {
  static let shortestHead = 4
  /// The longest a head can be.
  static let longestHead = 16
  private static let longMark: Int32 = -1
  private static let descriptorsMark: Int32 = -2

  /// What stands before a message.
  struct Head: Equatable {
    var byteCount: UInt64
    var descriptors: UInt32 = 0

    /// Its own size in bytes.
    var headSize: Int {
      if descriptors > 0 { return 16 }
      return byteCount > UInt64(Int32.max) ? 12 : 4
    }
  }

  /// The length of the message that `bytes` begins with, where its head is of the shortest kind.
  ///
  /// - Returns: `nil` also when not all of the head is there; ``head(of:)`` knows.
  @inline(__always)
  static func shortByteCount(of bytes: UnsafeRawBufferPointer) -> Int? {
    guard bytes.count >= 4 else { return nil }
    let first = Int32(bigEndian: bytes.loadUnaligned(as: Int32.self))
    return first >= 0 ? Int(first) : nil
  }

  /// Writes a head into the first bytes of `buffer`, which has room for ``longestHead``.
  @inline(__always)
  static func write(_ head: Head, into buffer: UnsafeMutableRawBufferPointer) {
    if head.descriptors > 0 {
      buffer.storeBytes(of: descriptorsMark.bigEndian, as: Int32.self)
      buffer.storeBytes(of: head.descriptors.bigEndian, toByteOffset: 4, as: UInt32.self)
      buffer.storeBytes(of: head.byteCount.bigEndian, toByteOffset: 8, as: UInt64.self)
    } else if let short = Int32(exactly: head.byteCount) {
      buffer.storeBytes(of: short.bigEndian, as: Int32.self)
    } else {
      buffer.storeBytes(of: longMark.bigEndian, as: Int32.self)
      buffer.storeBytes(of: head.byteCount.bigEndian, toByteOffset: 4, as: UInt64.self)
    }
  }

  /// Reads the head that `bytes` begins with.
  ///
  /// - Returns: `nil` when not all of it is there.
  /// - Throws: ``ChannelError/Code/malformedMessage`` when no head begins so.
  static func head(of bytes: UnsafeRawBufferPointer) throws(ChannelError) -> Head? {
    guard bytes.count >= 4 else { return nil }
    let first = Int32(bigEndian: bytes.loadUnaligned(as: Int32.self))
    switch first {
    case 0...: return Head(byteCount: UInt64(first))
    case longMark:
      guard bytes.count >= 12 else { return nil }
      return Head(byteCount: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self)))
    case descriptorsMark:
      guard bytes.count >= 16 else { return nil }
      let count = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
      guard 1...UInt32(ReceivedDescriptors.mostPerMessage) ~= count else {
        throw ChannelError(.malformedMessage, "a message claims to carry \(count) descriptors; it is no message")
      }
      return Head(
        byteCount: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), descriptors: count)
    default:
      throw ChannelError(
        .malformedMessage, "a message claims a length of \(first) bytes; the other side is no channel, or hostile")
    }
  }
}
