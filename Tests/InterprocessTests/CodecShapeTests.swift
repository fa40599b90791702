import Interprocess
import TestSupport
import Testing

@Suite("The codec and the shapes that Codable values have", .blocking)
struct CodecShapeTests {
  struct Point: Codable, Hashable {
    var x = 1
    var y: Double = 0.5
  }

  enum Shape: Codable, Hashable {
    case empty
    case circle(center: Point, radius: Double)
    case polygon([Point])
    indirect case pair(Shape, Shape)
  }

  enum Color: String, Codable { case red, green }
  enum Level: Int, Codable {
    case low = 1
    case high = 300
  }

  struct Numbered: Codable, Equatable {
    var first = "a"
    var second = [1.5]
    enum CodingKeys: Int, CodingKey {
      case first = 1
      case second = -2
    }
  }

  private func expectRoundTrip<Value: Codable & Equatable>(_ value: Value) throws {
    let bytes = try CBOREncoder().encode(value)
    #expect(try CBORDecoder().decode(Value.self, from: bytes) == value)
    #expect(try CBORDecoder().decode(Value.self, from: bytes.span.bytes) == value)
  }

  @Test("a struct is a map of its fields")
  func structure() throws {
    #expect(try encoded(Point()) == "a2 6178 01 6179 f93800".filter { $0 != " " })
    try expectRoundTrip(Point(x: -5, y: .pi))
    try expectRoundTrip([[Point()], [], [Point(), Point(x: .min, y: .infinity)]])
  }

  @Test("keys that are integers are integers in the map")
  func integerKeys() throws {
    #expect(try encoded(Numbered(second: [])) == "a2 01 6161 21 d85640".filter { $0 != " " })
    try expectRoundTrip(Numbered())
    // Somebody else may write the names.
    #expect(try decoded(Numbered.self, "a2 667365636f6e64 80 656669727374 6161") == Numbered(second: []))
  }

  @Test("enums with and without values")
  func enums() throws {
    try expectRoundTrip([Color.red, .green])
    try expectRoundTrip([Level.low, .high])
    try expectRoundTrip(Shape.empty)
    try expectRoundTrip(
      Shape.pair(.circle(center: Point(), radius: 2), .pair(.empty, .polygon([Point(), Point(x: 9)]))))
    #expect(try decoded(CBORValue.self, encoded(Shape.polygon([]))) == ["polygon": ["_0": []]])
  }

  @Test("a missing value is null, or absent")
  func optionals() throws {
    struct Optionals: Codable, Equatable {
      var number: Int?
      var inner: Point?
      var list: [Double]?
      var twice: Int??
    }
    try expectRoundTrip(Optionals())
    try expectRoundTrip(Optionals(number: 1, inner: Point(), list: [1], twice: 3))
    try expectRoundTrip([1, nil, 3])
    try expectRoundTrip(Int?.none)
    try expectRoundTrip([Double?.some(1.5), nil])
    #expect(try encoded([Int?](arrayLiteral: 1, nil)) == "8201f6")
    #expect(try encoded(Optionals()) == "a0")
    // Codable itself does not tell a missing value from one that is nil.
    #expect(try decoded([Int??].self, encoded([Int??](arrayLiteral: .some(nil), .some(5)))) == [nil, 5])
    #expect(try decoded(Optionals.self, "a1 666e756d626572 f7") == Optionals())
  }

  @Test("dictionaries have text, integers, or, for other keys, an array of keys and values")
  func dictionaries() throws {
    try expectRoundTrip(["a": 1, "5": 2, "05": 3, "+5": 4, "": 5])
    try expectRoundTrip([5: "five", -1: "minus one", .max: "most"])
    try expectRoundTrip([1.5: true, 2.5: false])
    try expectRoundTrip([Point(): [1, 2]])
    #expect(try encoded(["5": 1]) == "a1613501")
    #expect(try encoded([5: 1]) == "a10501")
    try expectRoundTrip(Dictionary(uniqueKeysWithValues: (0..<1000).map { ("key \($0)", $0) }))
    try expectRoundTrip(Dictionary(uniqueKeysWithValues: (0..<1000).map { ("\($0)", $0) }))
    try expectRoundTrip(Dictionary(uniqueKeysWithValues: (0..<1000).map { ($0 * 77, "\($0)") }))
  }

  @Test("integers of all widths, to their limits")
  func integers() throws {
    func expectLimits<Integer: FixedWidthInteger & Codable>(_: Integer.Type) throws {
      for value in [Integer.min, .max, 0, 1, .max / 2, .min / 2] {
        try expectRoundTrip(value)
        try expectRoundTrip([value: value])
        // Two optionals keep it from becoming a typed array.
        try expectRoundTrip([Integer?.some(value), nil])
      }
    }
    try expectLimits(Int8.self)
    try expectLimits(Int16.self)
    try expectLimits(Int32.self)
    try expectLimits(Int64.self)
    try expectLimits(Int.self)
    try expectLimits(UInt8.self)
    try expectLimits(UInt16.self)
    try expectLimits(UInt32.self)
    try expectLimits(UInt64.self)
    try expectLimits(UInt.self)
    try expectLimits(Int128.self)
    try expectLimits(UInt128.self)
  }

  @Test("an integer that does not fit throws, and does not trap")
  func integersThatDoNotFit() {
    func expectNotToFit<Value: Decodable>(_ type: Value.Type, _ hexadecimal: String) {
      let error = #expect(throws: DecodingError.self) { try decoded(type, hexadecimal) }
      guard case .dataCorrupted = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    expectNotToFit(UInt8.self, "190100")
    expectNotToFit(UInt8.self, "20")
    expectNotToFit(Int8.self, "1880")
    expectNotToFit(Int8.self, "3880")
    expectNotToFit(Int64.self, "1b8000000000000000")
    expectNotToFit(Int64.self, "3b8000000000000000")
    expectNotToFit(UInt64.self, "c249010000000000000000")
    expectNotToFit(Int128.self, "c250ffffffffffffffffffffffffffffffff")
    expectNotToFit(UInt128.self, "c25101ffffffffffffffffffffffffffffffff")
    expectNotToFit(UInt128.self, "c34101")
    expectNotToFit(Float.self, "fb7e37e43c8800759c")
    expectNotToFit(Double.self, "1b0020000000000001")
  }

  @Test("numbers of every width become the type asked for")
  func numbers() throws {
    #expect(try decoded(Int.self, "c2420100") == 256)
    #expect(try decoded(Int.self, "c2480000000000000001") == 1)
    #expect(try decoded(Int.self, "d9d9f7c24105") == 5)
    #expect(try decoded(UInt8.self, "1b0000000000000007") == 7)
    #expect(try decoded(Double.self, "07") == 7)
    #expect(try decoded(Double.self, "fa3fc00000") == 1.5)
    #expect(try decoded(Float.self, "fb3ff199999999999a") == 1.1)
    #expect(try decoded(Float16.self, "f93e00") == 1.5)
    #expect(throws: DecodingError.self) { try decoded(Int.self, "f93c00") }
  }

  @Test("every floating-point number comes back with the same bits, as short as can be")
  func floatingPoint() throws {
    for pattern in stride(from: UInt32(0), to: .max, by: 65_521) {
      let number = Float(bitPattern: pattern)
      let bytes = try CBOREncoder().encode(number)
      #expect(try CBORDecoder().decode(Float.self, from: bytes).bitPattern == pattern || number.isSignalingNaN)
      #expect(bytes.count == (Float(Float16(number)) == number ? 3 : 5) || number.isNaN)
    }
    for pattern in UInt16.min ... .max {
      let half = Float16(bitPattern: pattern)
      #expect(try CBOREncoder().encode(Double(half)).count == 3 || half.isNaN)
      #expect(try decoded(Float16.self, encoded(half)).bitPattern == pattern || half.isSignalingNaN)
    }
    for number in [Double.pi, .ulpOfOne, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e-8, 0.1, -.zero] {
      #expect(try decoded(Double.self, encoded(number)).bitPattern == number.bitPattern)
    }
    let payload = Double(nan: 12345, signaling: false)
    #expect(try decoded(Double.self, encoded(payload)).bitPattern == payload.bitPattern)
  }

  @Test("strings of all lengths")
  func strings() throws {
    for length in [0, 1, 15, 16, 23, 24, 255, 256, 65535, 65536, 100_000] {
      try expectRoundTrip(String(repeating: "x", count: length))
      try expectRoundTrip([String(repeating: "é", count: length), "z"])
    }
    try expectRoundTrip("👩‍👩‍👧 \u{0} \u{10ffff}")
  }
}
