import ArgumentParser

/// How messages stand on standard input and output.
enum MessageFormat: String, CaseIterable, ExpressibleByArgument {
  /// The bytes as they are, with nothing between messages.
  case raw
  /// A message a line.
  case lines
  /// A message a line, in hexadecimal.
  case hex

  func encode(_ message: [UInt8]) -> [UInt8] { encode(part: message) + end }

  /// A part of a message that is printed in several.
  func encode(part: [UInt8]) -> [UInt8] {
    switch self {
    case .raw, .lines: part
    case .hex: part.flatMap { [Self.digits[Int($0 >> 4)], Self.digits[Int($0 & 15)]] }
    }
  }

  /// What stands behind each message.
  var end: [UInt8] { self == .raw ? [] : [UInt8(ascii: "\n")] }

  private static let digits = Array("0123456789abcdef".utf8)

  /// - Throws: an error for what is no hexadecimal; spaces between bytes are fine.
  static func decodeHex(_ text: [UInt8]) throws -> [UInt8] {
    let digits = try text.filter { $0 != UInt8(ascii: " ") }.map { character in
      guard let digit = Character(UnicodeScalar(character)).hexDigitValue else { throw notHex(text) }
      return UInt8(digit)
    }
    guard digits.count.isMultiple(of: 2) else { throw notHex(text) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  private static func notHex(_ text: [UInt8]) -> ValidationError {
    ValidationError("\(String(decoding: text.prefix(40), as: UTF8.self).quoted) is not hexadecimal: two digits a byte")
  }
}
