import Interprocess
import TestSupport
import Testing

@Suite("The codec's typed arrays", .blocking)
struct CodecTypedArrayTests {
  private func expectRoundTrip<Value: Codable & Equatable>(_ value: Value, head: String) throws {
    let cbor = try CBOREncoder().encode(value)
    #expect(hexadecimal(cbor).hasPrefix(head))
    #expect(try CBORDecoder().decode(Value.self, from: cbor) == value)
    #expect(try CBORDecoder().decode([Value].self, from: CBOREncoder().encode([value, value])) == [value, value])
  }

  @Test("an array of numbers of fixed width is their memory, under the tag that says which")
  func tags() throws {
    try expectRoundTrip([UInt8](0...255), head: "590100000102")
    try expectRoundTrip([Int8](-128...127), head: "d84859010080")
    try expectRoundTrip([UInt16]([1, 256, .max]), head: "d845 46 0100 0001 ffff".filter { $0 != " " })
    try expectRoundTrip([UInt32]([1, .max]), head: "d846 48 01000000".filter { $0 != " " })
    try expectRoundTrip([UInt64]([1, .max]), head: "d847 50 0100000000000000".filter { $0 != " " })
    try expectRoundTrip([UInt]([1, .max]), head: "d84750")
    try expectRoundTrip([Int16]([-1, .max]), head: "d84d44ffff")
    try expectRoundTrip([Int32]([-1, .max]), head: "d84e48ffffffff")
    try expectRoundTrip([Int64]([-1, .max]), head: "d84f50ffffffffffffffff")
    try expectRoundTrip([Int]([-1, .min]), head: "d84f50")
    try expectRoundTrip([Float16]([1, -2]), head: "d85444003c00c0")
    try expectRoundTrip([Float]([1, -2]), head: "d855480000803f")
    try expectRoundTrip([Double]([1, -2]), head: "d85650000000000000f03f")
    try expectRoundTrip([Double](), head: "d85640")
  }

  @Test("also in structs and contiguous arrays, and whatever its length")
  func places() throws {
    struct Places: Codable, Equatable {
      var name = "n"
      var doubles: [Double]
      var contiguous: ContiguousArray<Int32>
      var shorts: [UInt16]
      var bytes: [UInt8]
      var matrix: [[Float]]
      var byName: [String: [Int64]]
      var last = true
    }
    for count in [0, 1, 23, 24, 255, 2047, 2048, 5000, 100_000] {
      let numbers = Array(0..<count)
      let places = Places(
        doubles: numbers.map(Double.init), contiguous: ContiguousArray(numbers.map(Int32.init)),
        shorts: numbers.map { UInt16($0 & 0xffff) }, bytes: numbers.map { UInt8($0 & 0xff) },
        matrix: [numbers.map(Float.init), [], [1]], byName: ["a": numbers.map(Int64.init), "b": [2]])
      let cbor = try CBOREncoder().encode([places, places])
      #expect(try CBORDecoder().decode([Places].self, from: cbor) == [places, places])
    }
  }

  @Test("either byte order is read, and every element type becomes the one asked for where it fits")
  func conversions() throws {
    #expect(try decoded([UInt16].self, "d841 44 0001 0203") == [1, 0x203])
    #expect(try decoded([UInt32].self, "d842 44 00000102") == [0x102])
    #expect(try decoded([UInt64].self, "d843 48 0000000000000102") == [0x102])
    #expect(try decoded([Int16].self, "d849 42 ffff") == [-1])
    #expect(try decoded([Int32].self, "d84a 44 fffffffe") == [-2])
    #expect(try decoded([Int64].self, "d84b 48 fffffffffffffffe") == [-2])
    #expect(try decoded([Float16].self, "d850 42 3c00") == [1])
    #expect(try decoded([Float].self, "d851 44 3f800000") == [1])
    #expect(try decoded([Double].self, "d852 48 3ff0000000000000") == [1])
    #expect(try decoded([UInt8].self, "d844 42 01ff") == [1, 255])
    #expect(try decoded([Int].self, "d840 42 01ff") == [1, 255])
    #expect(try decoded([Int].self, "d848 42 01ff") == [1, -1])
    #expect(try decoded([Double].self, "d855 44 0000803f") == [1])
    #expect(try decoded([Float].self, "d856 48 9a9999999999f13f") == [1.1])
    #expect(try decoded([Double].self, "d845 42 0700") == [7])
    #expect(try decoded([UInt8].self, "d84f 48 0700000000000000") == [7])
    #expect(throws: DecodingError.self) { try decoded([UInt8].self, "d84f 48 0701000000000000") }
    #expect(throws: DecodingError.self) { try decoded([Int].self, "d856 48 000000000000f03f") }
    #expect(throws: DecodingError.self) { try decoded([Double].self, "d857 50 00000000000000000000000000000000") }
    #expect(throws: DecodingError.self) { try decoded([UInt32].self, "d84c 44 00000000") }
  }

  @Test("plain arrays, and strings in chunks, are arrays of numbers too")
  func plain() throws {
    #expect(try decoded([Double].self, "83 01 f93e00 fb3ff199999999999a") == [1, 1.5, 1.1])
    #expect(try decoded([UInt8].self, "9f 01 02 ff") == [1, 2])
    #expect(try decoded([Int16].self, "d9d9f7 83 01 20 19ffff".replacing("19ffff", with: "190fff")) == [1, -1, 0xfff])
    #expect(try decoded([UInt16].self, "d845 5f 41 01 43 000200 ff") == [1, 2])
    #expect(try decoded([UInt8].self, "d9d9f7 42 0102") == [1, 2])
    #expect(try decoded(Set<Double>.self, encoded([1.5, 2.5])) == [1.5, 2.5])
    #expect(try decoded([Double?].self, encoded([1.5, 2.5])) == [1.5, 2.5])
    #expect(try decoded(Set<Int>.self, encoded(Set([1, 2, 3]))) == [1, 2, 3])
    #expect(try decoded(CBORValue.self, encoded([Int16]([1, -1]))) == [1, -1])
    #expect(try decoded(CBORValue.self, encoded([[UInt8]([1, 2])])) == [[1, 2]])
  }

  @Test("a typed array that is cut within an element, and one in the place of something else, throw")
  func broken() {
    #expect(throws: DecodingError.self) { try decoded([Double].self, "d856 47 00000000000000") }
    #expect(throws: DecodingError.self) { try decoded([Int].self, "d856 47 00000000000000") }
    #expect(throws: DecodingError.self) { try decoded([Double].self, "42 0000") }
    #expect(throws: DecodingError.self) { try decoded([String].self, "d856 40 40") }
    #expect(throws: DecodingError.self) { try decoded(Double.self, "d856 40") }
    #expect(throws: DecodingError.self) { try decoded([Double].self, "d856 01") }
  }
}
