/// The mangled name of a type, from a worker, before the runtime looks it up.
///
/// A mangled name may refer back to parts of itself, and the runtime expands every reference: a short one can stand for
/// 2^40 types. So only this much of the mangling's grammar is let through: structs, enumerations and classes, nested or
/// generic, with few references. Errors of other types travel as text.
///
/// The grammar is `docs/ABI/Mangling.rst` of Swift's.
struct ErrorName {
  private static let longest = 384
  private static let mostReferences = 8

  private let bytes: [UInt8]
  private var position = 0
  private var references = 0

  static func isPlain(_ name: String) -> Bool {
    guard name.utf8.count <= longest, let last = name.utf8.last, "VOCG".utf8.contains(last) else { return false }
    var reader = ErrorName(bytes: Array(name.utf8))
    while reader.position < reader.bytes.count { if !reader.passOperator() { return false } }
    return reader.references <= mostReferences
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func pass(_ letters: String) -> Bool {
    guard let next, letters.utf8.contains(next) else { return false }
    position += 1
    return true
  }

  private mutating func passOperator() -> Bool {
    // Kinds of types; the beginning, the middle and the end of generic arguments.
    if pass("VOCy_G") { return true }
    if pass("S") { return passStandardType() }
    if pass("A") {
      references += 1
      return passCapital()
    }
    return pass("0") ? passIdentifierOfWords() : passCounted()
  }

  /// `Si`, `SS` and so on; others go on after their letter, or have a count before it.
  private mutating func passStandardType() -> Bool {
    guard let letter = next, Self.isLetter(letter), !"oCc".utf8.contains(letter) else { return false }
    position += 1
    return true
  }

  private mutating func passCapital() -> Bool {
    guard let letter = next, Self.isLetter(letter), letter < UInt8(ascii: "a") else { return false }
    position += 1
    return true
  }

  /// A length, and so many bytes.
  private mutating func passCounted() -> Bool {
    guard next != UInt8(ascii: "0") else { return false }
    let start = position
    var count = 0
    while let digit = next, Self.isDigit(digit) {
      count = 10 * count + Int(digit - UInt8(ascii: "0"))
      position += 1
      if count > Self.longest { return false }
    }
    guard position > start, count <= bytes.count - position, bytes[position...].prefix(count).allSatisfy(Self.isWord)
    else { return false }
    position += count
    return true
  }

  /// An identifier in which words of earlier ones come again: a small letter for each, a capital for the last.
  private mutating func passIdentifierOfWords() -> Bool {
    var hasMore = true
    while hasMore {
      while hasMore, let letter = next, Self.isLetter(letter) {
        position += 1
        hasMore = letter >= UInt8(ascii: "a")
      }
      if pass("0") { return true }
      if !passCounted() { return false }
    }
    return true
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
  }
  private static func isWord(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) || byte == UInt8(ascii: "_") }
}
