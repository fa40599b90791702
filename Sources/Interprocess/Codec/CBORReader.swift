/// The bytes of one message while it is decoded. Every place is checked against their end, whoever names it.
///
/// One caller at a time uses it, and all that belongs to the decoding or the encoding of one value. None of it calls a
/// value's own code while it changes a property. So the properties are not checked for that at run time, each time they
/// are touched: it took a quarter of all the time.
final class CBORReader {
  let limits: CBORDecoder.Limits
  private let givenUserInfo: [CodingUserInfoKey: any Sendable]
  private let lateUserInfo: (key: CodingUserInfoKey, value: any Sendable)?
  let shortcuts = CBORShortcuts.shared
  @exclusivity(unchecked) private var base: UnsafeRawPointer?
  @exclusivity(unchecked) private(set) var count: Int
  /// Keeps the bytes where they are not the caller's.
  private let owner: CBORBuffer?
  /// Where in the caller's bytes these come from, if they are not the caller's.
  private let origin: Int?
  /// Scopes that are not in use, for the next value.
  @exclusivity(unchecked) var freeScopes: [DecodingScope] = []
  @exclusivity(unchecked) private var skipped: [CBORElements] = []

  init(
    _ bytes: UnsafeRawBufferPointer, limits: CBORDecoder.Limits, userInfo: [CodingUserInfoKey: any Sendable],
    late: (key: CodingUserInfoKey, value: any Sendable)? = nil
  ) {
    base = bytes.baseAddress
    count = bytes.count
    self.limits = limits
    givenUserInfo = userInfo
    lateUserInfo = late
    owner = nil
    origin = nil
  }

  private init(_ buffer: CBORBuffer, origin: Int, of reader: CBORReader) {
    base = buffer.bytes.baseAddress
    count = buffer.count
    limits = reader.limits
    givenUserInfo = reader.givenUserInfo
    lateUserInfo = reader.lateUserInfo
    owner = buffer
    self.origin = origin
  }

  var userInfo: [CodingUserInfoKey: any Sendable] { givenUserInfo.adding(lateUserInfo) }

  /// Nothing can be read any more: the caller takes the bytes back, and a decoder somebody kept must not look at them.
  func invalidate() {
    base = nil
    count = 0
    freeScopes = []
  }

  /// Whether these are the caller's bytes, which ``invalidate()`` is called for.
  var isCallers: Bool { owner == nil }

  /// The place that an error names.
  func place(_ offset: Int) -> Int { origin ?? offset }
}

// MARK: - Heads

extension CBORReader {
  @inline(__always)
  func byte(at position: Int) throws(CBORFault) -> UInt8 {
    guard let base, position < count else { throw .truncated(at: position) }
    return base.load(fromByteOffset: position, as: UInt8.self)
  }

  /// Reads what an item begins with; a break is an error here.
  @inline(__always)
  func head(at position: Int) throws(CBORFault) -> CBORHead {
    let first = try byte(at: position)
    let argument = first & 31
    if argument < 24 { return CBORHead(first: first, argument: UInt64(argument), end: position + 1) }
    return try longHead(first, at: position)
  }

  private func longHead(_ first: UInt8, at position: Int) throws(CBORFault) -> CBORHead {
    let after = position + 1
    let isString = first & CBORMajor.mask == CBORMajor.bytes || first & CBORMajor.mask == CBORMajor.text
    let isContainer = first & CBORMajor.mask == CBORMajor.array || first & CBORMajor.mask == CBORMajor.map
    switch first & 31 {
    case 24:
      let argument = try integer(UInt8.self, at: after)
      if first == CBORMajor.simple | 24 && argument < 32 {
        throw .corrupted("a simple value below 32 in two bytes", at: position)
      }
      return CBORHead(first: first, argument: UInt64(argument), end: after + 1)
    case 25: return CBORHead(first: first, argument: UInt64(try integer(UInt16.self, at: after)), end: after + 2)
    case 26: return CBORHead(first: first, argument: UInt64(try integer(UInt32.self, at: after)), end: after + 4)
    case 27: return CBORHead(first: first, argument: try integer(UInt64.self, at: after), end: after + 8)
    case 31 where isString || isContainer: return CBORHead(first: first, argument: 0, end: after)
    case 31 where first == CBORByte.break: throw .corrupted("a break where an item is due", at: position)
    default: throw .corrupted("no item begins with byte \(first)", at: position)
    }
  }

  private func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _: Integer.Type, at position: Int
  ) throws(CBORFault) -> Integer {
    guard let base, position <= count, count - position >= MemoryLayout<Integer>.size else {
      throw .truncated(at: position)
    }
    return Integer(bigEndian: base.loadUnaligned(fromByteOffset: position, as: Integer.self))
  }

  func isBreak(at position: Int) throws(CBORFault) -> Bool { try byte(at: position) == CBORByte.break }

  /// Null, or what JavaScript calls undefined.
  func isNull(at position: Int) throws(CBORFault) -> Bool {
    let first = try byte(at: try skipTags(at: position))
    return first == CBORByte.null || first == CBORByte.undefined
  }

  /// - Returns: where the item is that the tags, if there are any, stand before.
  @inline(__always)
  func skipTags(at position: Int) throws(CBORFault) -> Int {
    if try byte(at: position) & CBORMajor.mask != CBORMajor.tag { return position }
    var position = position
    repeat { position = try head(at: position).end } while try byte(at: position) & CBORMajor.mask == CBORMajor.tag
    return position
  }

  /// The same, but a bignum's tag is part of the number.
  func skipTagsBeforeNumber(at position: Int) throws(CBORFault) -> Int {
    var position = position
    while true {
      let head = try head(at: position)
      let isBignum = head.argument == CBORTag.bignum || head.argument == CBORTag.negativeBignum
      if head.major != CBORMajor.tag || isBignum { return position }
      position = head.end
    }
  }

  /// - Returns: the innermost tag before an item, and where the item is.
  func lastTag(at position: Int) throws(CBORFault) -> (tag: UInt64?, content: Int) {
    var (tag, position) = (UInt64?.none, position)
    while true {
      let head = try head(at: position)
      if head.major != CBORMajor.tag { return (tag, position) }
      (tag, position) = (head.argument, head.end)
    }
  }
}

// MARK: - Strings

/// The content of a byte string, in place or, where it came in chunks, gathered.
struct CBORBytes {
  fileprivate let place: UnsafeRawBufferPointer
  fileprivate let owner: CBORBuffer?

  var count: Int { place.count }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withExtendedLifetime(owner) { body(place) }
  }
}

extension CBORReader {
  /// The content of a string of definite length: it is there, and no longer than the limit.
  func content(of head: CBORHead) throws(CBORFault) -> UnsafeBufferPointer<UInt8> {
    let available = count - head.end
    guard let base, available >= 0, head.argument <= UInt64(available) else {
      throw .corrupted("a string claims \(head.argument) bytes, and \(max(0, available)) are there", at: head.end)
    }
    if head.argument > limits.maximumLength {
      throw .corrupted("a string of \(head.argument) bytes, and \(limits.maximumLength) are allowed", at: head.end)
    }
    let start = (base + head.end).assumingMemoryBound(to: UInt8.self)
    return UnsafeBufferPointer(start: start, count: Int(head.argument))
  }

  /// Text whose place was checked when it was found.
  @inline(__always)
  func text(at position: Int, _ length: Int) -> UnsafeBufferPointer<UInt8> {
    guard let base, position <= count, length <= count - position else { return .init(start: nil, count: 0) }
    return UnsafeBufferPointer(start: (base + position).assumingMemoryBound(to: UInt8.self), count: length)
  }

  func chunkHead(_ major: UInt8, at position: Int) throws(CBORFault) -> CBORHead {
    let head = try head(at: position)
    if head.major == major && !head.isIndefinite { return head }
    throw .corrupted("\(head.kind) as a chunk of a string of another kind", at: position)
  }

  /// Reads the byte string, or the text string, at `position`, which has no tags.
  func bytes(_ major: UInt8 = CBORMajor.bytes, at position: inout Int) throws(CBORFault) -> CBORBytes {
    let head = try head(at: position)
    guard head.major == major else { throw .mismatch(head, at: position) }
    if !head.isIndefinite {
      let bytes = try content(of: head)
      position = head.end + bytes.count
      return CBORBytes(place: UnsafeRawBufferPointer(bytes), owner: nil)
    }
    let gathered = CBORBuffer(capacity: 64)
    var next = head.end
    while try !isBreak(at: next) {
      let head = try chunkHead(major, at: next)
      let chunk = try content(of: head)
      gathered.append(UnsafeRawBufferPointer(chunk))
      next = head.end + chunk.count
      if gathered.count > limits.maximumLength {
        throw .corrupted("a string of more than \(limits.maximumLength) bytes", at: position)
      }
    }
    position = next + 1
    return CBORBytes(place: gathered.bytes, owner: gathered)
  }

  /// The typed array, or the byte string, at `position`.
  func typedArray(
    at position: Int
  ) throws(CBORFault) -> (type: CBORTypedArray, content: Int, isTagged: Bool)? {
    let (tag, content) = try lastTag(at: position)
    guard try byte(at: content) & CBORMajor.mask == CBORMajor.bytes else { return nil }
    let type = tag.flatMap { CBORTypedArray(tag: $0) }
    return (type ?? .bytes, content, type != nil)
  }

  /// The same elements as a plain array.
  func transcoded(
    _ type: CBORTypedArray, _ bytes: CBORBytes, from position: Int
  ) throws(CBORFault) -> CBORReader {
    try type.check(bytes.count, at: position)
    let buffer = CBORBuffer(capacity: 16 + bytes.count)
    guard bytes.withUnsafeBytes({ type.transcode($0, to: buffer) }) else {
      throw .corrupted("an array of 128-bit floating-point numbers", at: position)
    }
    return CBORReader(buffer, origin: position, of: self)
  }
}

// MARK: - Arrays, and what nobody asked for

extension CBORReader {
  /// What the array, or the map, at `position` holds. A map's elements are keys and values by turns.
  func elements(_ major: UInt8 = CBORMajor.array, at position: Int) throws(CBORFault) -> CBORElements {
    let position = try skipTags(at: position)
    let head = try head(at: position)
    guard head.major == major else { throw .mismatch(head, at: position) }
    return try elements(of: head)
  }

  fileprivate func elements(of head: CBORHead) throws(CBORFault) -> CBORElements {
    let isMap = head.major == CBORMajor.map
    if head.isIndefinite { return CBORElements(position: head.end, remaining: 0, isIndefinite: true, isMap: isMap) }
    // An element takes a byte at least.
    let available = UInt64(max(0, count - head.end)) / (isMap ? 2 : 1)
    if head.argument > available {
      throw .corrupted("\(head.kind) claims \(head.argument) elements, and has no room for them", at: head.end)
    }
    if head.argument > limits.maximumLength {
      throw .corrupted("\(head.kind) of more than \(limits.maximumLength) elements", at: head.end)
    }
    let remaining = Int(head.argument) * (isMap ? 2 : 1)
    return CBORElements(position: head.end, remaining: remaining, isIndefinite: false, isMap: isMap)
  }

  /// - Returns: where the item at `position`, itself at `depth` in arrays and maps, is over.
  func skip(_ position: Int, depth: Int) throws(CBORFault) -> Int {
    let head = try head(at: position)
    switch head.major {
    case CBORMajor.unsigned, CBORMajor.negative, CBORMajor.simple: return head.end
    case CBORMajor.bytes, CBORMajor.text:
      if !head.isIndefinite { return head.end + (try content(of: head)).count }
      var next = head.end
      while try !isBreak(at: next) {
        let chunk = try chunkHead(head.major, at: next)
        next = chunk.end + (try content(of: chunk)).count
      }
      return next + 1
    case CBORMajor.tag: return try skip(try skipTags(at: position), depth: depth)
    default: return try skipRest(of: try elements(of: head), depth: depth)
    }
  }

  /// Goes over all that is left of an array or a map, which lies in `depth` others, and what lies in it.
  func skipRest(of elements: CBORElements, depth: Int) throws(CBORFault) -> Int {
    skipped.removeAll(keepingCapacity: true)
    var current = elements
    while true {
      guard depth + skipped.count < limits.maximumDepth else { throw .tooDeep(limits, at: current.position) }
      if try current.isAtEnd(self) {
        guard var outer = skipped.popLast() else { return current.position }
        outer.position = current.position
        outer.advance()
        current = outer
        continue
      }
      let position = try skipTags(at: current.position)
      let head = try head(at: position)
      if head.major == CBORMajor.array || head.major == CBORMajor.map {
        current.position = position
        skipped.append(current)
        current = try self.elements(of: head)
      } else {
        current.position = try skip(position, depth: depth)
        current.advance()
      }
    }
  }
}

extension CBORFault {
  static func tooDeep(_ limits: CBORDecoder.Limits, at offset: Int) -> CBORFault {
    .corrupted("nested more than \(limits.maximumDepth) deep", at: offset)
  }
}

/// How far an array or a map was read.
struct CBORElements {
  var position: Int
  /// 0 where the length is indefinite.
  private(set) var remaining: Int
  private(set) var isIndefinite: Bool
  let isMap: Bool
  /// How many were read.
  private(set) var index = 0

  init(position: Int, remaining: Int, isIndefinite: Bool, isMap: Bool) {
    self.position = position
    self.remaining = remaining
    self.isIndefinite = isIndefinite
    self.isMap = isMap
  }

  /// - Note: moves behind the break where there is one.
  @inline(__always)
  mutating func isAtEnd(_ reader: CBORReader) throws(CBORFault) -> Bool {
    if !isIndefinite { return remaining == 0 }
    guard try reader.isBreak(at: position) else {
      let limit = reader.limits.maximumLength
      if (isMap ? index / 2 : index) >= limit {
        throw .corrupted("\(isMap ? "a map" : "an array") of more than \(limit) elements", at: position)
      }
      return false
    }
    if isMap && index & 1 == 1 { throw .corrupted("a map ends between a key and its value", at: position) }
    position += 1
    isIndefinite = false
    return true
  }

  /// Takes the element before `position` as read.
  @inline(__always)
  mutating func advance() {
    index += 1
    if !isIndefinite { remaining -= 1 }
  }
}
