import CInterprocess
import Glibc
import Synchronization

/// The rings of this worker's channel, past the library: `RingPlace` says how they lie in memory.
struct RingMemory: @unchecked Sendable {
  // Sendable: the words are atomic.

  private static let mark = UInt64(bigEndian: 0x5377_5269_6E67_3031)  // "SwRing01"
  private static let headSize = 1024

  private let incoming: UnsafeMutableRawPointer
  private let outgoing: UnsafeMutableRawPointer

  /// - Returns: `nil` where the channel has no rings.
  init?() {
    for (start, end) in ChannelObjects.sharedMemory(where: { !$0.contains("marks") }) {
      guard let base = UnsafeMutableRawPointer(bitPattern: start), Self.word(base, 0) == Self.mark else { continue }
      // The pool has the first end, which sends into the first ring.
      let places = stride(from: Self.headSize, to: Int(end - start) - Self.headSize, by: 128)
      guard let second = places.first(where: { Self.word(base, $0) == Self.mark }) else { continue }
      (incoming, outgoing) = (base, base + second)
      return
    }
    return nil
  }

  /// How many bytes the pool has ever sent.
  var received: UInt64 { Self.word(incoming, 128) }

  /// Sends a piece of a message with a head of one's own.
  ///
  /// - Parameter length: what the record says that its length is, where that is not the truth.
  func send(_ head: UInt64, length: UInt64? = nil) {
    let index = Self.word(outgoing, 128)
    let record = outgoing + Self.headSize + Int(index & (Self.word(outgoing, 16) - 1))
    Self.set(record, 0, length ?? 16)
    Self.set(record, 8, head)
    Self.set(record, 16, 0x1111)
    publish(index + 24)
  }

  /// Says that so much has been sent, and wakes the pool.
  func publish(_ index: UInt64) {
    Self.set(outgoing, 128, index)
    // The socket by which it knows that this process lives has come before those of the two rings.
    for bell in ChannelObjects.sockets.suffix(2) { Glibc.send(bell, [1], 1, CInt(MSG_DONTWAIT | MSG_NOSIGNAL)) }
  }

  private static func word(_ base: UnsafeMutableRawPointer, _ offset: Int) -> UInt64 {
    (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
  }

  private static func set(_ base: UnsafeMutableRawPointer, _ offset: Int, _ word: UInt64) {
    (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(word, ordering: .releasing)
  }
}
