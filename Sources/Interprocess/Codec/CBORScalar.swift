/// A type that is one CBOR item, whatever it stands in.
protocol CBORScalar: Codable {
  func write(to buffer: CBORBuffer)
  /// Reads the item at `position` and moves `position` behind it.
  static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> Self
}

extension CBORScalar where Self: FixedWidthInteger {
  @inline(__always)
  func write(to buffer: CBORBuffer) {
    if let value = UInt64(exactly: self) {
      buffer.appendHead(CBORMajor.unsigned, value)
    } else if Self.isSigned, self < 0, let value = UInt64(exactly: ~self) {
      buffer.appendHead(CBORMajor.negative, value)
    } else {
      writeBignum(to: buffer)
    }
  }

  /// Integers beyond 64 bits: the magnitude as a byte string without leading zeros.
  private func writeBignum(to buffer: CBORBuffer) {
    buffer.append(CBORMajor.tag | UInt8(self < 0 ? CBORTag.negativeBignum : CBORTag.bignum))
    let magnitude = self < 0 ? ~self : self
    withUnsafeBytes(of: magnitude.bigEndian) { bytes in
      let bytes = UnsafeRawBufferPointer(rebasing: bytes.drop { $0 == 0 })
      buffer.appendHead(CBORMajor.bytes, UInt64(bytes.count))
      buffer.append(bytes)
    }
  }

  @inline(__always)
  static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> Self {
    let head = try reader.head(at: position)
    if head.major == CBORMajor.unsigned, let value = Self(exactly: head.argument) {
      position = head.end
      return value
    }
    if isSigned, head.major == CBORMajor.negative, let value = Self(exactly: head.argument) {
      position = head.end
      return ~value
    }
    return try readUncommon(reader, head, at: &position)
  }

  @inline(never)
  private static func readUncommon(
    _ reader: CBORReader, _ head: CBORHead, at position: inout Int
  ) throws(CBORFault) -> Self {
    switch head.major {
    case CBORMajor.unsigned: throw .doesNotFit("\(head.argument)", Self.self, at: position)
    case CBORMajor.negative: throw .doesNotFit("\(~Int128(head.argument))", Self.self, at: position)
    case CBORMajor.tag:
      if head.argument == CBORTag.bignum || head.argument == CBORTag.negativeBignum {
        return try readBignum(reader, head, at: &position)
      }
      position = try reader.skipTagsBeforeNumber(at: position)
      return try read(reader, at: &position)
    default: throw .mismatch(head, at: position)
    }
  }

  private static func readBignum(
    _ reader: CBORReader, _ head: CBORHead, at position: inout Int
  ) throws(CBORFault) -> Self {
    let start = position
    var end = head.end
    let bytes = try reader.bytes(at: &end)
    let magnitude = bytes.withUnsafeBytes { bytes -> UInt128? in
      let digits = bytes.drop { $0 == 0 }
      return digits.count > 16 ? nil : digits.reduce(0) { $0 << 8 | UInt128($1) }
    }
    let isNegative = head.argument == CBORTag.negativeBignum
    guard let magnitude, let value = Self(exactly: magnitude), !isNegative || isSigned else {
      throw .doesNotFit("a bignum of \(bytes.count) bytes", Self.self, at: start)
    }
    position = end
    return isNegative ? ~value : value
  }
}

// The integers of 64 bits and less are ``CBORTypedElement``s as well.
extension Int128: CBORScalar {}
extension UInt128: CBORScalar {}

extension Bool: CBORScalar {
  @inline(__always)
  func write(to buffer: CBORBuffer) { buffer.append(self ? CBORByte.true : CBORByte.false) }

  static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> Bool {
    let start = try reader.skipTags(at: position)
    let head = try reader.head(at: start)
    guard head.first & ~1 == CBORByte.false else { throw .mismatch(head, at: start) }
    position = head.end
    return head.first == CBORByte.true
  }
}

extension String: CBORScalar {
  @inline(__always)
  func write(to buffer: CBORBuffer) { buffer.appendText(self) }

  static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> String {
    let start = try reader.skipTags(at: position)
    let head = try reader.head(at: start)
    guard head.major == CBORMajor.text else { throw .mismatch(head, at: start) }
    if head.isIndefinite { return try readChunks(reader, head, at: &position) }
    let bytes = try reader.content(of: head)
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8(at: start) }
    position = head.end + bytes.count
    return text
  }

  /// Each chunk is text of its own: no character lies across two (RFC 8949, section 3.2.3).
  private static func readChunks(
    _ reader: CBORReader, _ head: CBORHead, at position: inout Int
  ) throws(CBORFault) -> String {
    var text = ""
    var chunk = head.end
    while try !reader.isBreak(at: chunk) {
      let head = try reader.chunkHead(CBORMajor.text, at: chunk)
      let bytes = try reader.content(of: head)
      guard let part = String(validating: bytes, as: UTF8.self) else { throw .notUTF8(at: chunk) }
      text += part
      if text.utf8.count > reader.limits.maximumLength {
        throw .corrupted("a text string of more than \(reader.limits.maximumLength) bytes", at: chunk)
      }
      chunk = head.end + bytes.count
    }
    position = chunk + 1
    return text
  }
}

extension CBORFault {
  static func notUTF8(at offset: Int) -> CBORFault { .corrupted("a text string is not valid UTF-8", at: offset) }
}
