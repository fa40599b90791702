import Interprocess

/// Any item that Codable can see: for inputs whose type is not known.
indirect enum CBORValue: Codable, Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int128)
  case number(Double)
  case text(String)
  case array([CBORValue])
  case map([Pair])

  struct Pair: Equatable, Sendable {
    let key: Name
    let value: CBORValue
  }

  struct Name: CodingKey, Equatable {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
    init(intValue: Int) { (stringValue, self.intValue) = ("\(intValue)", intValue) }
  }

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    if single.decodeNil() {
      self = .null
    } else if let bool = try? single.decode(Bool.self) {
      self = .bool(bool)
    } else if let integer = try? single.decode(Int128.self) {
      self = .integer(integer)
    } else if let number = try? single.decode(Double.self) {
      self = .number(number)
    } else if let text = try? single.decode(String.self) {
      self = .text(text)
    } else if let map = try? decoder.container(keyedBy: Name.self) {
      self = .map(try map.allKeys.map { Pair(key: $0, value: try map.decode(CBORValue.self, forKey: $0)) })
    } else {
      self = .array(try single.decode([CBORValue].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    if case .map(let pairs) = self {
      var container = encoder.container(keyedBy: Name.self)
      for pair in pairs { try container.encode(pair.value, forKey: pair.key) }
      return
    }
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let bool): try container.encode(bool)
    case .integer(let integer): try container.encode(integer)
    case .number(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    case .array(let array): try container.encode(array)
    case .map: break
    }
  }

  static func == (left: CBORValue, right: CBORValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    // NaN is NaN, and 0 is not -0.
    case (.number(let left), .number(let right)): left.bitPattern == right.bitPattern
    case (.text(let left), .text(let right)): Array(left.utf8) == Array(right.utf8)
    case (.array(let left), .array(let right)): left == right
    case (.map(let left), .map(let right)): left == right
    default: false
    }
  }
}

extension CBORValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  init(integerLiteral value: Int) { self = .integer(Int128(value)) }
  init(floatLiteral value: Double) { self = .number(value) }
  init(stringLiteral value: String) { self = .text(value) }
  init(arrayLiteral elements: CBORValue...) { self = .array(elements) }
  init(booleanLiteral value: Bool) { self = .bool(value) }
  init(nilLiteral: ()) { self = .null }

  /// Keys are text or integers.
  init(dictionaryLiteral elements: (CBORValue, CBORValue)...) {
    self = .map(
      elements.compactMap { key, value in
        switch key {
        case .text(let text): Pair(key: Name(stringValue: text), value: value)
        case .integer(let integer): Pair(key: Name(intValue: Int(integer)), value: value)
        default: nil
        }
      })
  }
}

/// Bytes in hexadecimal, as RFC 8949 prints them.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

func bytes(_ hexadecimal: String) -> [UInt8] {
  let digits = hexadecimal.utf8.filter { $0 != UInt8(ascii: " ") }
  return stride(from: 0, to: digits.count, by: 2).compactMap { index in
    UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
  }
}

func encoded(_ value: some Encodable) throws -> String { hexadecimal(try CBOREncoder().encode(value)) }

func decoded<Value: Decodable>(_ type: Value.Type, _ hexadecimal: String) throws -> Value {
  try CBORDecoder().decode(type, from: bytes(hexadecimal))
}
