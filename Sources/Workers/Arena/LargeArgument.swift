import Interprocess
import Synchronization

/// A large array among the arguments of a call that has not been sent yet. It is the caller's own, and copied to the arena
/// when the call is sent: however many calls wait, they have no memory and no descriptors of the pool's.
final class LargeArgument: @unchecked Sendable {
  // Sendable: the array is plain and only read, and the lease has a lock.

  private let array: any PlainArray
  private let value: any Encodable
  /// Where its place is in the frame, counted from where the arguments begin.
  let offset: Int
  private let place = Mutex<ArenaLease?>(nil)

  init(_ array: any PlainArray, _ value: any Encodable, at offset: Int) {
    self.array = array
    self.value = value
    self.offset = offset
  }

  var lease: ArenaLease? { place.withLock { $0 } }

  /// Instead of a length: the block, and how many bytes follow.
  private static let inArena = UInt64.max
  private static let size = 24

  /// Appends a place for the array, which ``fill(_:from:in:)`` makes good.
  static func appendPlace(to arguments: inout [UInt8]) { arguments += [UInt8](repeating: 0, count: size) }

  /// Copies the array to the arena and says so in the frame; where there is no memory, the array itself is put there.
  ///
  /// - Parameter start: where the arguments begin. Places further on in the frame have been filled before.
  func fill(_ frame: inout [UInt8], from start: Int, in arena: Arena?) throws {
    // A call that is sent again has its block still: held while it is copied, as the first sending may not be done yet.
    let lease = place.withLock { lease in
      lease = lease ?? arena?.place(array)
      return lease
    }
    var place: [UInt8] = []
    if let lease {
      place.append(littleEndian: Self.inArena)
      place.append(littleEndian: lease.block.id)
      place.append(littleEndian: UInt64(array.plainByteCount))
    } else {
      try place.append(part: value)
    }
    let position = start + offset
    frame.replaceSubrange(position..<position + Self.size, with: place)
  }

  /// Reads a place that was filled with a block.
  ///
  /// - Returns: `nil` where it is an argument with its length before it.
  static func read(_ reader: inout FrameReader) throws(FrameReader.Malformed) -> (block: UInt64, byteCount: Int)? {
    var ahead = reader
    guard try ahead.number() == inArena else { return nil }
    let block = try ahead.number()
    guard let byteCount = Int(exactly: try ahead.number()) else { throw FrameReader.Malformed() }
    reader = ahead
    return (block, byteCount)
  }
}
