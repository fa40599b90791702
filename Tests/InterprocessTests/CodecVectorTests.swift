import Interprocess
import TestSupport
import Testing

/// The examples of RFC 8949, appendix A.
@Suite("The codec and RFC 8949's examples", .blocking)
struct CodecVectorTests {
  struct Vector: CustomTestStringConvertible, Sendable {
    let hexadecimal: String
    let value: CBORValue
    /// Whether an encoder writes it like this.
    var isPreferred = true
    var testDescription: String { hexadecimal }
  }

  static let vectors = integers + numbers + others + containers + indefinite

  private static let integers = [
    Vector(hexadecimal: "00", value: 0), Vector(hexadecimal: "01", value: 1), Vector(hexadecimal: "0a", value: 10),
    Vector(hexadecimal: "17", value: 23), Vector(hexadecimal: "1818", value: 24),
    Vector(hexadecimal: "1819", value: 25), Vector(hexadecimal: "1864", value: 100),
    Vector(hexadecimal: "1903e8", value: 1000), Vector(hexadecimal: "1a000f4240", value: 1_000_000),
    Vector(hexadecimal: "1b000000e8d4a51000", value: 1_000_000_000_000),
    Vector(hexadecimal: "1bffffffffffffffff", value: .integer(18_446_744_073_709_551_615)),
    Vector(hexadecimal: "c249010000000000000000", value: .integer(18_446_744_073_709_551_616)),
    Vector(hexadecimal: "3bffffffffffffffff", value: .integer(-18_446_744_073_709_551_616)),
    Vector(hexadecimal: "c349010000000000000000", value: .integer(-18_446_744_073_709_551_617)),
    Vector(hexadecimal: "20", value: -1), Vector(hexadecimal: "29", value: -10),
    Vector(hexadecimal: "3863", value: -100), Vector(hexadecimal: "3903e7", value: -1000),
  ]

  private static let numbers = [
    Vector(hexadecimal: "f90000", value: 0.0), Vector(hexadecimal: "f98000", value: -0.0),
    Vector(hexadecimal: "f93c00", value: 1.0), Vector(hexadecimal: "fb3ff199999999999a", value: 1.1),
    Vector(hexadecimal: "f93e00", value: 1.5), Vector(hexadecimal: "f97bff", value: 65504.0),
    Vector(hexadecimal: "fa47c35000", value: 100000.0),
    Vector(hexadecimal: "fa7f7fffff", value: 3.4028234663852886e+38),
    Vector(hexadecimal: "fb7e37e43c8800759c", value: 1.0e+300),
    Vector(hexadecimal: "f90001", value: 5.960464477539063e-8), Vector(hexadecimal: "f90400", value: 0.00006103515625),
    Vector(hexadecimal: "f9c400", value: -4.0), Vector(hexadecimal: "fbc010666666666666", value: -4.1),
    Vector(hexadecimal: "f97c00", value: .number(.infinity)), Vector(hexadecimal: "f97e00", value: .number(.nan)),
    Vector(hexadecimal: "f9fc00", value: .number(-.infinity)),
    Vector(hexadecimal: "fa7f800000", value: .number(.infinity), isPreferred: false),
    Vector(hexadecimal: "fa7fc00000", value: .number(.nan), isPreferred: false),
    Vector(hexadecimal: "faff800000", value: .number(-.infinity), isPreferred: false),
    Vector(hexadecimal: "fb7ff0000000000000", value: .number(.infinity), isPreferred: false),
    Vector(hexadecimal: "fb7ff8000000000000", value: .number(.nan), isPreferred: false),
    Vector(hexadecimal: "fbfff0000000000000", value: .number(-.infinity), isPreferred: false),
  ]

  private static let others = [
    Vector(hexadecimal: "f4", value: false), Vector(hexadecimal: "f5", value: true),
    Vector(hexadecimal: "f6", value: nil), Vector(hexadecimal: "f7", value: nil, isPreferred: false),
    Vector(
      hexadecimal: "c074323031332d30332d32315432303a30343a30305a", value: "2013-03-21T20:04:00Z", isPreferred: false),
    Vector(hexadecimal: "c11a514b67b0", value: 1_363_896_240, isPreferred: false),
    Vector(hexadecimal: "c1fb41d452d9ec200000", value: 1363896240.5, isPreferred: false),
    Vector(
      hexadecimal: "d82076687474703a2f2f7777772e6578616d706c652e636f6d", value: "http://www.example.com",
      isPreferred: false),
    Vector(hexadecimal: "60", value: ""), Vector(hexadecimal: "6161", value: "a"),
    Vector(hexadecimal: "6449455446", value: "IETF"), Vector(hexadecimal: "62225c", value: "\"\\"),
    Vector(hexadecimal: "62c3bc", value: "\u{fc}"), Vector(hexadecimal: "63e6b0b4", value: "\u{6c34}"),
    Vector(hexadecimal: "64f0908591", value: "\u{10151}"),
  ]

  private static let upTo25 = CBORValue.array((1...25).map { .integer($0) })

  private static let containers = [
    Vector(hexadecimal: "80", value: []), Vector(hexadecimal: "83010203", value: [1, 2, 3]),
    Vector(hexadecimal: "8301820203820405", value: [1, [2, 3], [4, 5]]),
    Vector(hexadecimal: "98190102030405060708090a0b0c0d0e0f101112131415161718181819", value: upTo25),
    Vector(hexadecimal: "a0", value: [:]), Vector(hexadecimal: "a201020304", value: [1: 2, 3: 4]),
    Vector(hexadecimal: "a26161016162820203", value: ["a": 1, "b": [2, 3]]),
    Vector(hexadecimal: "826161a161626163", value: ["a", ["b": "c"]]),
    Vector(
      hexadecimal: "a56161614161626142616361436164614461656145",
      value: ["a": "A", "b": "B", "c": "C", "d": "D", "e": "E"]),
  ]

  private static let indefinite = [
    Vector(hexadecimal: "7f657374726561646d696e67ff", value: "streaming", isPreferred: false),
    Vector(hexadecimal: "9fff", value: [], isPreferred: false),
    Vector(hexadecimal: "9f018202039f0405ffff", value: [1, [2, 3], [4, 5]], isPreferred: false),
    Vector(hexadecimal: "9f01820203820405ff", value: [1, [2, 3], [4, 5]], isPreferred: false),
    Vector(hexadecimal: "83018202039f0405ff", value: [1, [2, 3], [4, 5]], isPreferred: false),
    Vector(hexadecimal: "83019f0203ff820405", value: [1, [2, 3], [4, 5]], isPreferred: false),
    Vector(
      hexadecimal: "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", value: upTo25, isPreferred: false),
    Vector(hexadecimal: "bf61610161629f0203ffff", value: ["a": 1, "b": [2, 3]], isPreferred: false),
    Vector(hexadecimal: "826161bf61626163ff", value: ["a", ["b": "c"]], isPreferred: false),
    Vector(hexadecimal: "bf6346756ef563416d7421ff", value: ["Fun": true, "Amt": -2], isPreferred: false),
  ]

  /// Byte strings.
  static let byteStrings: [(hexadecimal: String, bytes: [UInt8], isPreferred: Bool)] = [
    ("40", [], true), ("4401020304", [1, 2, 3, 4], true), ("d74401020304", [1, 2, 3, 4], false),
    ("d818456449455446", [0x64, 0x49, 0x45, 0x54, 0x46], false), ("5f42010243030405ff", [1, 2, 3, 4, 5], false),
  ]

  @Test("every example is read, and those in the preferred form are written", arguments: vectors)
  func example(vector: Vector) throws {
    #expect(try decoded(CBORValue.self, vector.hexadecimal) == vector.value)
    if vector.isPreferred { #expect(try encoded(vector.value) == vector.hexadecimal) }
  }

  @Test("byte strings are arrays of bytes", arguments: byteStrings)
  func byteString(hexadecimal: String, bytes: [UInt8], isPreferred: Bool) throws {
    #expect(try decoded([UInt8].self, hexadecimal) == bytes)
    if isPreferred { #expect(try encoded(bytes) == hexadecimal) }
  }

  @Test("simple values that Swift has no type for are passed over", arguments: ["f0", "f8ff", "f7"])
  func simple(hexadecimal: String) throws {
    struct Anything: Decodable { init(from decoder: any Decoder) {} }
    struct Known: Decodable { let known: Int }
    _ = try decoded(Anything.self, hexadecimal)
    #expect(try decoded(Known.self, "a2 6161 \(hexadecimal) 656b6e6f776e 07").known == 7)
    if hexadecimal != "f7" { #expect(throws: DecodingError.self) { try decoded(CBORValue.self, hexadecimal) } }
  }

  @Test("no example can be cut short, and nothing may follow it")
  func prefixes() {
    for hexadecimal in Self.vectors.map(\.hexadecimal) + Self.byteStrings.map(\.hexadecimal) + ["f8ff"] {
      let whole = bytes(hexadecimal)
      for count in 0..<whole.count {
        expectCorrupted(Array(whole[..<count]))
      }
      for more in [0x00, 0xf6, 0xff] as [UInt8] { expectCorrupted(whole + [more]) }
    }
  }

  private func expectCorrupted(_ bytes: [UInt8]) {
    struct Anything: Decodable { init(from decoder: any Decoder) {} }
    for type in [CBORValue.self, Anything.self, [UInt8].self, [Double].self] as [any Decodable.Type] {
      #expect(throws: DecodingError.self, "\(type) from \(hexadecimal(bytes))") {
        _ = try CBORDecoder().decode(type, from: bytes)
      }
    }
  }
}
