/// The keys of a map, read as far as was needed, and where their values are.
final class MapIndex {
  struct Entry {
    enum Kind: UInt8 {
      /// Its value follows at once.
      case text
      /// Text in chunks: `key` is its number among those gathered.
      case gathered
      case integer
    }

    // 32 bytes, since whoever sent the map may have sent millions.
    /// Where text begins, or the integer.
    let key: Int
    /// Different for most keys that differ.
    let fingerprint: UInt64
    /// Where the value begins.
    let value: Int
    /// The next entry with the same hash, or -1.
    var next: Int32 = -1
    let kind: Kind
  }

  @exclusivity(unchecked) var entries: ContiguousArray<Entry> = []
  @exclusivity(unchecked) var elements = CBORElements(position: 0, remaining: 0, isIndefinite: false, isMap: true)
  @exclusivity(unchecked) private(set) var depth = 0
  @exclusivity(unchecked) var gathered: [CBORBytes] = []
  /// The next entry that somebody is expected to ask for.
  @exclusivity(unchecked) private var expected = 0
  /// Where the value of the last entry is over; -1 where nobody has looked.
  @exclusivity(unchecked) var lastEnd = -1
  /// Where the entries with a hash begin, once there are too many to look at each.
  @exclusivity(unchecked) var firstByHash: [Int: Int32] = [:]
  /// Above this number of keys they are looked up by hash, since whoever sent them may have sent a million.
  static let mostScanned = 16
  /// The memory that emptying a dictionary keeps has to be cleared, for each small map after a large one.
  private static let mostKept = 1024

  func open(_ elements: CBORElements, depth: Int) {
    self.elements = elements
    self.depth = depth
    entries.removeAll(keepingCapacity: true)
    if !gathered.isEmpty { gathered = [] }
    if !firstByHash.isEmpty { firstByHash.removeAll(keepingCapacity: firstByHash.capacity <= Self.mostKept) }
    expected = 0
    lastEnd = -1
  }

  func value(_ index: Int) -> Int { entries[index].value }

  /// Takes note of where a value is over, so that it need not be skipped.
  @inline(__always)
  func setEnd(_ index: Int, _ end: Int) {
    if index == entries.count - 1 { lastEnd = end }
    expected = index + 1
  }
}

extension MapIndex.Entry {
  /// How many bytes the text takes that a value follows.
  var keyLength: Int { value - key }
}

// MARK: - Looking up

extension MapIndex {
  /// The entry of a key, first looked for where it is expected to be.
  func find<Key: CodingKey>(_ key: Key, _ reader: CBORReader) throws(CBORFault) -> Int? {
    let integer = key.intValue
    var text = key.stringValue
    // withUTF8 would lose the error's type.
    return try text.withUTF8 { text in
      Result { () throws(CBORFault) in try find(text, integer, reader) }
    }.get()
  }

  private func find(
    _ text: UnsafeBufferPointer<UInt8>, _ integer: Int?, _ reader: CBORReader
  ) throws(CBORFault) -> Int? {
    var candidate = expected
    if candidate < entries.count, matches(candidate, text, integer, reader) { return candidate }
    if let known = findKnown(text, integer, reader) {
      expected = known
      return known
    }
    candidate = entries.count
    while try readEntry(reader) {
      if matches(candidate, text, integer, reader) {
        expected = candidate
        return candidate
      }
      candidate += 1
    }
    return nil
  }

  private func findKnown(_ text: UnsafeBufferPointer<UInt8>, _ integer: Int?, _ reader: CBORReader) -> Int? {
    if entries.count <= Self.mostScanned {
      return entries.indices.first { matches($0, text, integer, reader) }
    }
    if let integer,
      let found = findByHash(integer.hashValue, where: { entries[$0].key == integer && entries[$0].kind == .integer })
    {
      return found
    }
    return findByHash(Self.hash(text)) { matches($0, text, nil, reader) }
  }

  func findByHash(_ hash: Int, where isMatch: (Int) -> Bool) -> Int? {
    var index = Int(firstByHash[hash] ?? -1)
    while index >= 0 {
      if isMatch(index) { return index }
      index = Int(entries[index].next)
    }
    return nil
  }

  @inline(__always)
  private func matches(
    _ index: Int, _ text: UnsafeBufferPointer<UInt8>, _ integer: Int?, _ reader: CBORReader
  ) -> Bool {
    let entry = entries[index]
    switch entry.kind {
    case .text: return entry.keyLength == text.count && reader.text(at: entry.key, text.count).equals(text)
    case .integer: return entry.key == integer
    case .gathered:
      return gathered[entry.key].withUnsafeBytes { $0.elementsEqual(UnsafeRawBufferPointer(text)) }
    }
  }

  /// The keys that can be a `Key`, in the order they come in.
  func allKeys<Key: CodingKey>(_: Key.Type, _ reader: CBORReader) -> [Key] {
    // What is broken behind the keys that are there is reported when the value is over.
    while (try? readEntry(reader)) == true {}
    return entries.compactMap { entry in
      switch entry.kind {
      case .integer: return Key(intValue: entry.key)
      case .text, .gathered: return text(of: entry, reader).flatMap { Key(stringValue: $0) }
      }
    }
  }

  private func text(of entry: Entry, _ reader: CBORReader) -> String? {
    if entry.kind == .gathered {
      return gathered[entry.key].withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    }
    return String(validating: reader.text(at: entry.key, entry.keyLength), as: UTF8.self)
  }
}
