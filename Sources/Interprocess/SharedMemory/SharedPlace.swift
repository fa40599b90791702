import Synchronization
import SystemPackage

/// 64 bytes of a ``Mapping`` in which a lock lies: 8 bytes that say what it is, 8 bytes of zeros, and the lock itself at
/// offset 16.
///
/// The first 8 bytes are written last, so whoever finds them finds a lock that is ready.
struct SharedPlace: @unchecked Sendable {
  // Sendable: the memory belongs to several processes in any case, and only locks and atomics lie in it.

  static let byteCount = 64
  private static let contentOffset = 16

  /// Keeps the memory mapped.
  private let region: MappedRegion
  private let offset: Int

  /// The lock itself.
  var content: UnsafeMutableRawPointer { region.start + offset + Self.contentOffset }

  /// As errors name it: `offset 64`.
  var described: String { "offset \(offset)" }

  /// Makes a lock with `initialize`, which gets the memory filled with zeros.
  init(
    creating mark: UInt64, in mapping: borrowing Mapping, at offset: Int, _ type: StaticString,
    _ initialize: (UnsafeMutableRawPointer) throws(InterprocessError) -> Void
  ) throws(InterprocessError) {
    self = try SharedPlace(mapping, offset, type)
    try mapping.withAtomic(UInt64.self, at: offset) { $0.store(0, ordering: .relaxed) }
    (region.start + offset + 8).initializeMemory(as: UInt8.self, repeating: 0, count: Self.byteCount - 8)
    try initialize(content)
    // Pairs with the acquire in init(opening:).
    try mapping.withAtomic(UInt64.self, at: offset) { $0.store(mark, ordering: .releasing) }
  }

  /// Finds a lock that somebody has made.
  init(
    opening mark: UInt64, in mapping: borrowing Mapping, at offset: Int, _ type: StaticString
  ) throws(InterprocessError) {
    self = try SharedPlace(mapping, offset, type)
    // Pairs with the release in init(creating:).
    let found = try mapping.withAtomic(UInt64.self, at: offset) { $0.load(ordering: .acquiring) }
    guard found == mark else {
      throw .refused(type, described, "there is no \(type) here; its creator has to come first")
    }
  }

  private init(_ mapping: borrowing Mapping, _ offset: Int, _ type: StaticString) throws(InterprocessError) {
    guard !mapping.isReadOnly else { throw .refused(type, "offset \(offset)", "the memory is read-only") }
    guard offset >= 0, offset % Self.byteCount == 0, mapping.byteCount - Self.byteCount >= offset else {
      throw .refused(
        type, "offset \(offset)",
        "offsets are multiples of \(Self.byteCount), with \(Self.byteCount) bytes left of the \(mapping.byteCount)")
    }
    region = mapping.region
    self.offset = offset
  }
}
