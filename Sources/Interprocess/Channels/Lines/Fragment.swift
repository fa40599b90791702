/// What a piece of a message is, where the messages of a queue or the records of a ring are not large enough for all of it.
///
/// The first of several has the length of the whole beside it, 8 bytes little-endian. A new beginning means that the message
/// before it was given up.
enum Fragment: UInt8 {
  /// A message in one piece.
  case whole = 1
  /// The first piece of several.
  case first = 2
  /// Any other piece.
  case more = 3
  /// Nothing: it wakes a receiver whose peer has gone.
  case wake = 4

  /// How many bytes the length takes in a first piece.
  static let lengthSize = 8
}

/// Joins pieces to messages.
struct Joining: ~Copyable {
  private var buffer = MessageBuffer()
  private var total: Int?
  /// Whether the pieces that come belong to a message that was refused.
  private var isSkipping = false

  /// How much has come of a message that is not complete.
  var partialByteCount: Int? { total == nil ? nil : buffer.count }

  /// Takes a piece.
  ///
  /// - Returns: the message that it completes.
  @inline(__always)
  mutating func take(
    _ kind: Fragment, _ bytes: UnsafeRawBufferPointer, limit: Int
  ) throws(ChannelError) -> UnsafeRawBufferPointer? {
    if kind == .whole, total == nil, !isSkipping, bytes.count <= limit { return bytes }
    return try join(kind, bytes, limit: limit)
  }

  @inline(never)
  private mutating func join(
    _ kind: Fragment, _ bytes: UnsafeRawBufferPointer, limit: Int
  ) throws(ChannelError) -> UnsafeRawBufferPointer? {
    if kind != .more, kind != .wake { (total, isSkipping) = (nil, false) }
    switch kind {
    case .whole:
      guard bytes.count <= limit else { throw .tooLarge(bytes.count, limit: limit, "sent") }
      return bytes
    case .first:
      guard bytes.count > Fragment.lengthSize else {
        throw ChannelError(.malformedMessage, "the first piece of a message has no length")
      }
      let claimed = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
      return try begin(claimed, UnsafeRawBufferPointer(rebasing: bytes[Fragment.lengthSize...]), limit: limit)
    case .more: return isSkipping ? nil : try append(bytes)
    case .wake: return nil
    }
  }

  /// Takes the first piece of a message that has so many bytes in all.
  mutating func begin(
    _ claimed: UInt64, _ bytes: UnsafeRawBufferPointer, limit: Int
  ) throws(ChannelError) -> UnsafeRawBufferPointer? {
    (total, isSkipping) = (nil, claimed > UInt64(limit))
    if isSkipping { throw .tooLarge(claimed, limit: limit, "announced") }
    buffer.removeAll()
    total = Int(claimed)
    return try append(bytes)
  }

  /// Takes a piece of `count` bytes, which `fill` puts to where they stay.
  ///
  /// - Returns: the message that it completes.
  @inline(__always)
  mutating func take(
    _ head: RingPieceHead, count: Int, limit: Int,
    _ fill: (UnsafeMutableRawBufferPointer) throws(InterprocessError) -> Void
  ) throws(ChannelError) -> UnsafeRawBufferPointer? {
    switch head.kind {
    case .whole, .first:
      (total, isSkipping) = (nil, head.kind == .first && head.total > UInt64(limit))
      guard head.total <= UInt64(limit) else { throw .tooLarge(head.total, limit: limit, "announced") }
      buffer.removeAll()
      total = Int(head.total)
    case .more where isSkipping: return nil
    case .more: break
    case .wake, nil: throw .strangePiece
    }
    guard let total, count <= total - buffer.count else { throw .strangePiece }
    do {
      try buffer.append(room: count) { room throws(InterprocessError) in
        try fill(room)
        return count
      }
    } catch {
      throw .receiving(error, half: nil)
    }
    return complete()
  }

  /// Lets go of the message that was completed last, if no other has begun.
  @inline(__always)
  mutating func forgetLast() {
    if total == nil { buffer.removeAll() }
  }

  private mutating func complete() -> UnsafeRawBufferPointer? {
    guard buffer.count == total else { return nil }
    total = nil
    return buffer.bytes
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) throws(ChannelError) -> UnsafeRawBufferPointer? {
    guard let total, bytes.count <= total - buffer.count else {
      throw ChannelError(.malformedMessage, "a piece of a message came that belongs to none")
    }
    do {
      try buffer.append(bytes)
    } catch {
      throw ChannelError(error)
    }
    return complete()
  }
}

extension ChannelError {
  static var strangePiece: ChannelError {
    ChannelError(.malformedMessage, "a piece of a message came that no channel has sent")
  }
}
