/// An array, of whichever kind, whose elements lie one behind the other.
protocol CBORContiguousElements {
  var byteCount: Int { get }
  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}

/// One of them whose elements are numbers of fixed width.
protocol CBORTypedElements: CBORContiguousElements {
  associatedtype Element: CBORTypedElement
  init(_ elements: [Element])
}

extension Array: CBORContiguousElements where Element: CBORTypedElement {
  var byteCount: Int { count * MemoryLayout<Element>.stride }
}
extension ContiguousArray: CBORContiguousElements where Element: CBORTypedElement {
  var byteCount: Int { count * MemoryLayout<Element>.stride }
}

extension Array: CBORTypedElements where Element: CBORTypedElement {}
extension ContiguousArray: CBORTypedElements where Element: CBORTypedElement {}

extension CBORTypedElements {
  /// Writes a typed array; bytes, which have a kind of their own in CBOR, without a tag.
  func write(to buffer: CBORBuffer) {
    if Element.typedArray != .bytes { buffer.appendHead(CBORMajor.tag, Element.typedArray.tag) }
    buffer.appendHead(CBORMajor.bytes, UInt64(byteCount))
    buffer.append(memoryOf: self)
  }
}

extension Array where Element: CBORTypedElement {
  /// Reads a typed array of any type and byte order whose values fit, or a plain array; a byte string for `UInt8`.
  static func readTyped(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> [Element] {
    guard let (type, content, isTagged) = try reader.typedArray(at: position) else {
      return try readPlain(reader, at: &position)
    }
    // A byte string is an array of bytes, and of nothing else.
    if !isTagged && Element.self != UInt8.self { throw .mismatch(try reader.head(at: content), at: content) }
    position = content
    let bytes = try reader.bytes(at: &position)
    if type == Element.typedArray || (Element.self == UInt8.self && type.tag == 68) {
      try type.check(bytes.count, at: content)
      return [Element](copying: bytes)
    }
    let plain = try reader.transcoded(type, bytes, from: content)
    var offset = 0
    return try readPlain(plain, at: &offset)
  }

  /// The one copy of a typed array's life on this side.
  private init(copying bytes: CBORBytes) {
    self = bytes.withUnsafeBytes { bytes in
      let count = bytes.count / MemoryLayout<Element>.stride
      return [Element](unsafeUninitializedCapacity: count) { elements, initialized in
        UnsafeMutableRawBufferPointer(elements).copyMemory(from: bytes)
        initialized = count
      }
    }
  }
}

extension Array where Element: CBORScalar {
  func writePlain(to buffer: CBORBuffer) {
    buffer.appendHead(CBORMajor.array, UInt64(count))
    for element in self { element.write(to: buffer) }
  }

  static func readPlain(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> [Element] {
    var elements = try reader.elements(at: position)
    var result: [Element] = []
    // A byte an element is there, but the elements may be larger in memory, and need not be what they should: a large
    // array grows with what has been read.
    result.reserveCapacity(Swift.min(elements.remaining, 1024))
    while try !elements.isAtEnd(reader) {
      result.append(try Element.read(reader, at: &elements.position))
      elements.advance()
    }
    position = elements.position
    return result
  }
}

extension CBORTypedArray {
  func check(_ byteCount: Int, at offset: Int) throws(CBORFault) {
    if byteCount % width != 0 {
      throw .corrupted("a typed array of \(width)-byte elements has \(byteCount) bytes", at: offset)
    }
  }
}
