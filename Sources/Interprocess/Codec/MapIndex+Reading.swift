import CInterprocess
import Glibc

extension MapIndex {
  /// Reads the next key, and finds out where its value is.
  ///
  /// - Returns: `false` at the end of the map.
  func readEntry(_ reader: CBORReader) throws(CBORFault) -> Bool {
    // A copy, put back behind each entry: what throws throws again when it is asked for again.
    var elements = elements
    // The last key's value is passed only now: mostly it has been decoded by then, and its end is known.
    if elements.index & 1 == 1, let last = entries.last {
      elements.position = lastEnd < 0 ? try reader.skip(last.value, depth: depth) : lastEnd
      elements.advance()
    }
    while try !elements.isAtEnd(reader) {
      let start = elements.position
      guard let entry = try readKey(reader, at: start) else {
        try passStrangeEntry(of: &elements, reader)
        self.elements = elements
        continue
      }
      if isKnown(entry, reader) { throw .corrupted("a map has the same key twice", at: start) }
      // Where 2^31 keys fit, their index is all there is to be had.
      guard entries.count < Int32.max else { throw .corrupted("a map of too many keys", at: start) }
      entries.append(entry)
      if entries.count > Self.mostScanned { noteHashes(reader) }
      lastEnd = -1
      elements.position = entry.value
      elements.advance()
      self.elements = elements
      return true
    }
    self.elements = elements
    return false
  }

  /// Goes behind a key that no `CodingKey` can be, and its value: nobody will ask for it.
  private func passStrangeEntry(of elements: inout CBORElements, _ reader: CBORReader) throws(CBORFault) {
    let value = try reader.skip(elements.position, depth: depth)
    let end = try reader.skip(value, depth: depth)
    elements.advance()
    elements.position = end
    elements.advance()
  }

  /// - Returns: where the map is over, having checked all that nobody asked for.
  func finish(_ reader: CBORReader) throws(CBORFault) -> Int {
    while try readEntry(reader) {}
    return elements.position
  }

  /// - Returns: `nil` for what no `CodingKey` can be.
  private func readKey(_ reader: CBORReader, at start: Int) throws(CBORFault) -> Entry? {
    let head = try reader.head(at: start)
    switch head.major {
    case CBORMajor.text where !head.isIndefinite:
      let text = try reader.content(of: head)
      let (fingerprint, isASCII) = text.fingerprint
      if !isASCII && String(validating: text, as: UTF8.self) == nil { throw .notUTF8(at: start) }
      let end = head.end + text.count
      return Entry(key: head.end, fingerprint: fingerprint, value: end, kind: .text)
    case CBORMajor.text: return try readGatheredKey(reader, at: start)
    case CBORMajor.unsigned, CBORMajor.negative:
      guard let magnitude = Int(exactly: head.argument) else { return nil }
      let key = head.major == CBORMajor.unsigned ? magnitude : ~magnitude
      return Entry(key: key, fingerprint: UInt64(bitPattern: Int64(key)), value: head.end, kind: .integer)
    default: return nil
    }
  }

  private func readGatheredKey(_ reader: CBORReader, at start: Int) throws(CBORFault) -> Entry {
    var end = start
    _ = try String.read(reader, at: &end)
    end = start
    let bytes = try reader.bytes(CBORMajor.text, at: &end)
    gathered.append(bytes)
    let fingerprint = bytes.withUnsafeBytes { $0.assumingMemoryBound(to: UInt8.self).fingerprint.value }
    return Entry(key: gathered.count - 1, fingerprint: fingerprint, value: end, kind: .gathered)
  }
}

// MARK: - The same key twice

extension MapIndex {
  private func isKnown(_ entry: Entry, _ reader: CBORReader) -> Bool {
    if entries.count > Self.mostScanned {
      return findByHash(hash(of: entry, reader)) { isSameKey(entries[$0], entry, reader) } != nil
    }
    for known in entries where known.fingerprint == entry.fingerprint && isSameKey(known, entry, reader) {
      return true
    }
    return false
  }

  private func isSameKey(_ first: Entry, _ second: Entry, _ reader: CBORReader) -> Bool {
    if first.kind == .integer || second.kind == .integer { return first.kind == second.kind && first.key == second.key }
    return withText(of: first, reader) { first in withText(of: second, reader) { first.equals($0) } }
  }

  private func withText<Result>(
    of entry: Entry, _ reader: CBORReader, _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    if entry.kind == .text { return body(reader.text(at: entry.key, entry.keyLength)) }
    return gathered[entry.key].withUnsafeBytes { body($0.assumingMemoryBound(to: UInt8.self)) }
  }

  /// Enters the last entry, and the first time all before it.
  private func noteHashes(_ reader: CBORReader) {
    for index in (firstByHash.isEmpty ? 0 : entries.count - 1)..<entries.count {
      let hash = hash(of: entries[index], reader)
      entries[index].next = firstByHash.updateValue(Int32(index), forKey: hash) ?? -1
    }
  }

  private func hash(of entry: Entry, _ reader: CBORReader) -> Int {
    entry.kind == .integer ? entry.key.hashValue : withText(of: entry, reader) { Self.hash($0) }
  }

  /// Seeded anew in each process, so that nobody can prepare keys that all have the same.
  static func hash(_ text: UnsafeBufferPointer<UInt8>) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: UnsafeRawBufferPointer(text))
    return hasher.finalize()
  }
}

extension UnsafeBufferPointer<UInt8> {
  @inline(__always)
  func equals(_ other: UnsafeBufferPointer<UInt8>) -> Bool {
    guard count == other.count else { return false }
    guard let first = baseAddress, let second = other.baseAddress else { return true }
    return memcmp(first, second, count) == 0
  }

  /// A number that differs for most strings that differ, and whether all are ASCII.
  @inline(__always)
  fileprivate var fingerprint: (value: UInt64, isASCII: Bool) {
    let bytes = UnsafeRawBufferPointer(self)
    var value = UInt64(count)
    var all: UInt64 = 0
    var offset = 0
    while offset + 8 <= bytes.count {
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      all |= word
      value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
      offset += 8
    }
    var rest: UInt64 = 0
    while offset < bytes.count {
      rest = rest << 8 | UInt64(bytes[offset])
      offset += 1
    }
    return ((value ^ rest) &* 0x9e37_79b9_7f4a_7c15, (all | rest) & 0x8080_8080_8080_8080 == 0)
  }
}
