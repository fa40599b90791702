import Synchronization
import SystemPackage

/// Where the parts of a ring lie.
///
///     0    `SwRing01`, the version, the flags, the capacity: written once, the first 8 bytes last
///     128  the producer's index: how many bytes it has ever put in     256  the consumer's: how many it has taken out
///     384  the producer's words                                        512  the consumer's
///     1024 the records
///
/// Indices and words are 128 bytes apart, since processors fetch cache lines in pairs: neither side's writing disturbs
/// what the other reads more often than needed.
struct RingPlace: @unchecked Sendable {
  // Sendable: the memory belongs to two processes in any case, and each word has its one writer and its ordering.

  static let headerByteCount = 1024
  static let lengthByteCount = 8
  static let leastCapacity = 128
  static let alignment = 128

  /// A record's length that says: nothing more comes before the end of the memory, go on at its start.
  static let skip = UInt64.max

  private static let mark = UInt64(bigEndian: 0x5377_5269_6E67_3031)  // "SwRing01"
  private static let version: UInt32 = 1
  private static let versionOffset = 8
  private static let flagsOffset = 12
  private static let capacityOffset = 16

  /// The flag of a ring whose waiting side pays for the barrier that the publishing side saves. See ``RingBarrier``.
  private static let isAsymmetricFlag: UInt32 = 1

  /// Keeps the memory mapped.
  let region: MappedRegion
  let records: UnsafeMutableRawPointer
  /// Copied when the side attached: what the header says later does not matter.
  let capacity: Int
  let isAsymmetric: Bool
  let described: String

  var producer: RingSide { side(index: 128, words: 384) }
  var consumer: RingSide { side(index: 256, words: 512) }

  private func side(index: Int, words: Int) -> RingSide {
    let base = records - Self.headerByteCount
    return RingSide(index: base + index, words: base + words)
  }

  static func isCapacity(_ capacity: Int) -> Bool {
    capacity >= leastCapacity && capacity & (capacity - 1) == 0 && capacity <= Int.max / 4
  }

  /// Checks that a ring may lie at `offset`.
  static func base(
    in mapping: borrowing Mapping, at offset: Int, byteCount: Int
  ) throws(InterprocessError) -> UnsafeMutableRawPointer {
    guard !mapping.isReadOnly else { throw .refused("Ring", "offset \(offset)", "the memory is read-only") }
    guard offset >= 0, offset % alignment == 0, mapping.byteCount >= byteCount, mapping.byteCount - byteCount >= offset
    else {
      throw .refused(
        "Ring", "offset \(offset)",
        "rings lie at multiples of \(alignment); this one takes \(byteCount) of the memory's \(mapping.byteCount) bytes"
      )
    }
    return mapping.region.start + offset
  }

  static func initialize(_ base: UnsafeMutableRawPointer, capacity: Int, isAsymmetric: Bool) {
    let mark = base.assumingMemoryBound(to: Atomic<UInt64>.self)
    // Relaxed: there is no ring here before the releasing store below.
    mark.pointee.store(0, ordering: .relaxed)
    (base + 8).initializeMemory(as: UInt8.self, repeating: 0, count: headerByteCount - 8)
    base.storeBytes(of: version, toByteOffset: versionOffset, as: UInt32.self)
    let flags = isAsymmetric && RingBarrier.isAvailable ? isAsymmetricFlag : 0
    base.storeBytes(of: flags, toByteOffset: flagsOffset, as: UInt32.self)
    base.storeBytes(of: UInt64(capacity), toByteOffset: capacityOffset, as: UInt64.self)
    // Pairs with the acquiring load in init(in:at:): whoever sees the mark sees the whole header.
    mark.pointee.store(Self.mark, ordering: .releasing)
  }

  /// Finds a ring, and believes nothing that its header says.
  init(in mapping: borrowing Mapping, at offset: Int) throws(InterprocessError) {
    let base = try Self.base(in: mapping, at: offset, byteCount: Self.headerByteCount)
    let object = "offset \(offset)"
    // Pairs with the releasing store in initialize().
    let mark = base.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    guard mark == Self.mark else {
      throw .refused("Ring", object, "there is no ring here; its creator has to come first")
    }
    // Atomic, so that the compiler reads them once: what is checked is what is used.
    func word(at place: Int) -> UInt32 {
      (base + place).assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed)
    }
    let version = word(at: Self.versionOffset)
    guard version == Self.version else {
      throw .refused("Ring", object, "its version is \(version), not \(Self.version)")
    }
    let claim = (base + Self.capacityOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    let capacity = Int(truncatingIfNeeded: claim.pointee.load(ordering: .relaxed))
    guard Self.isCapacity(capacity), mapping.byteCount - offset - Self.headerByteCount >= capacity else {
      throw .refused(
        "Ring", object, "its header claims a capacity of \(capacity), in \(mapping.byteCount) bytes of memory")
    }
    region = mapping.region
    records = base + Self.headerByteCount
    self.capacity = capacity
    isAsymmetric = word(at: Self.flagsOffset) & Self.isAsymmetricFlag != 0
    described = object
  }

  /// The word with a record's length; `position` is an index.
  func length(at position: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (records + offset(of: position)).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Where the byte of an index lies among the records; always within them.
  func offset(of position: UInt64) -> Int { Int(truncatingIfNeeded: position) & (capacity - 1) }

  /// How many bytes a message takes with its length, filled up; for a size that has been checked.
  static func recordByteCount(_ messageByteCount: Int) -> Int { (messageByteCount + 15) & ~7 }
}

/// One side's part of the header.
struct RingSide {
  /// On a line of its own, written by this side alone.
  let index: UnsafeMutablePointer<Atomic<UInt64>>

  /// 0 while this side is awake, ``asleep`` or ``armed`` while it has to be told of a change. Set by this side before its
  /// last look, exchanged for 0 by the other: whoever takes the request fulfils it. The futex word, too.
  let waiting: UnsafeMutablePointer<Atomic<UInt32>>

  /// Whether this side has attached, and whether it has closed.
  let state: UnsafeMutablePointer<Atomic<UInt32>>

  /// The number of the processor that this side last waited on, plus 1. A hint.
  let processor: UnsafeMutablePointer<Atomic<UInt32>>

  /// Waits on the futex.
  static let asleep: UInt32 = 1
  /// Waits for its bell.
  static let armed: UInt32 = 2

  static let absent: UInt32 = 0
  static let attached: UInt32 = 1
  static let closed: UInt32 = 2

  init(index: UnsafeMutableRawPointer, words: UnsafeMutableRawPointer) {
    self.index = index.assumingMemoryBound(to: Atomic<UInt64>.self)
    waiting = words.assumingMemoryBound(to: Atomic<UInt32>.self)
    state = (words + 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    processor = (words + 8).assumingMemoryBound(to: Atomic<UInt32>.self)
  }
}
