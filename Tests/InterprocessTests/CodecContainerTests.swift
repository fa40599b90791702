import Interprocess
import TestSupport
import Testing

@Suite("The codec's containers", .blocking)
struct CodecContainerTests {
  class Animal: Codable {
    var name: String
    init(name: String) { self.name = name }
    enum CodingKeys: CodingKey { case name }
  }

  /// Has its superclass under the key `super`.
  final class Dog: Animal {
    var age = 0
    enum CodingKeys: CodingKey { case age }

    override init(name: String) { super.init(name: name) }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      age = try container.decode(Int.self, forKey: .age)
      try super.init(from: container.superDecoder())
    }

    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try super.encode(to: container.superEncoder())
      try container.encode(age, forKey: .age)
    }
  }

  /// Shares its superclass's container.
  final class Cat: Animal {
    var lives = 9
    enum CodingKeys: CodingKey { case lives }

    override init(name: String) { super.init(name: name) }

    required init(from decoder: any Decoder) throws {
      lives = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .lives)
      try super.init(from: decoder)
    }

    override func encode(to encoder: any Encoder) throws {
      try super.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(lives, forKey: .lives)
    }
  }

  @Test("a superclass is a value under the key super, or shares the map")
  func superclasses() throws {
    let dog = Dog(name: "Rex")
    dog.age = 7
    let cbor = try encoded(dog)
    #expect(try decoded(CBORValue.self, cbor) == ["super": ["name": "Rex"], "age": 7])
    #expect(try decoded(Dog.self, cbor).name == "Rex")
    #expect(try decoded(Dog.self, cbor).age == 7)
    let cat = try encoded(Cat(name: "Tom"))
    #expect(try decoded(CBORValue.self, cat) == ["name": "Tom", "lives": 9])
    #expect(try decoded(Cat.self, cat).lives == 9)
    #expect(try decoded(Cat.self, cat).name == "Tom")
  }

  /// Writes to many containers by turns.
  struct Interleaved: Encodable {
    enum Key: String, CodingKey { case a, b, c, d, large }

    func encode(to encoder: any Encoder) throws {
      var outer = encoder.container(keyedBy: Key.self)
      try outer.encode(0, forKey: .a)
      var list = outer.nestedUnkeyedContainer(forKey: .b)
      var map = outer.nestedContainer(keyedBy: Key.self, forKey: .c)
      try list.encode("one")
      try map.encode("two", forKey: .a)
      try outer.encode(4, forKey: .d)
      var inner = list.nestedContainer(keyedBy: Key.self)
      var innermost = list.nestedUnkeyedContainer()
      try map.encode([2.5], forKey: .large)
      for number in 0..<30 { try innermost.encode(number) }
      try inner.encodeNil(forKey: .b)
      try list.superEncoder().singleValueEncode(true)
      try list.encode("end")
      try outer.encode([Int64](repeating: 7, count: 5000), forKey: .large)
    }
  }

  @Test("nested containers may be written to by turns")
  func interleaved() throws {
    let cbor = try CBOREncoder().encode(Interleaved())
    let innermost = CBORValue.array((0..<30).map { .integer($0) })
    let expected: CBORValue = [
      "a": 0, "b": ["one", ["b": nil], innermost, true, "end"], "c": ["a": "two", "large": [2.5]], "d": 4,
      "large": .array(Array(repeating: 7, count: 5000)),
    ]
    #expect(try CBORDecoder().decode(CBORValue.self, from: cbor) == expected)
  }

  /// Reads nested containers through their containers.
  struct Hand: Decodable {
    enum Key: String, CodingKey { case a, b, c, d }
    var collected: [String] = []

    init(from decoder: any Decoder) throws {
      let outer = try decoder.container(keyedBy: Key.self)
      var list = try outer.nestedUnkeyedContainer(forKey: .b)
      let inner = try list.nestedContainer(keyedBy: Key.self)
      var numbers = try list.nestedUnkeyedContainer()
      collected.append("\(try numbers.decode(Int.self)) \(numbers.currentIndex) \(numbers.count ?? -1)")
      collected.append(try String(from: list.superDecoder()))
      collected.append("\(try list.decodeNil()) \(try list.decodeNil()) \(list.isAtEnd)")
      collected.append(try inner.decode(String.self, forKey: .a))
      collected.append("\(try outer.decode(Int.self, forKey: .a)) \(outer.contains(.d)) \(outer.allKeys.count)")
    }
  }

  @Test("nested containers may be read in any order")
  func nestedReading() throws {
    let value: CBORValue = ["b": [["a": "in"], [5, 6], "super", false], "a": 1, "c": [[1, 2], 3]]
    let collected = try decoded(Hand.self, encoded(value)).collected
    #expect(collected == ["5 1 2", "super", "false false false", "in", "1 false 3"])
  }

  @Test("fields are found in any order, and what no field asks for is passed over")
  func order() throws {
    struct Fields: Codable, Equatable {
      var one = 1
      var two = [[2.0]]
      var three = ["3": 3]
      var four: String? = "4"
    }
    let fields: [(CBORValue, CBORValue)] = [
      ("one", 1), ("two", [[2.0]]), ("three", ["3": 3]), ("four", "4"), ("five", [["x": [1, 2]], "y"]),
    ]
    for rotation in 0..<5 {
      for reversed in [false, true] {
        var order = Array(fields[rotation...] + fields[..<rotation])
        if reversed { order.reverse() }
        let map = CBORValue.map(
          order.compactMap { key, value in
            guard case .text(let key) = key else { return nil }
            return CBORValue.Pair(key: .init(stringValue: key), value: value)
          })
        #expect(try decoded(Fields.self, encoded(map)) == Fields())
      }
    }
  }

  @Test("userInfo reaches the values")
  func userInfo() throws {
    struct Informed: Codable {
      static var key: CodingUserInfoKey? { CodingUserInfoKey(rawValue: "unit") }
      var unit: String?
      init() {}
      init(from decoder: any Decoder) { unit = Self.key.flatMap { decoder.userInfo[$0] as? String } }
      func encode(to encoder: any Encoder) throws {
        try (Self.key.flatMap { encoder.userInfo[$0] as? String }).encode(to: encoder)
      }
    }
    let key = try #require(Informed.key)
    var encoder = CBOREncoder()
    encoder.userInfo[key] = "metre"
    #expect(hexadecimal(try encoder.encode([Informed()])) == "81656d65747265")
    var decoder = CBORDecoder()
    decoder.userInfo[key] = "mile"
    #expect(try decoder.decode([Informed].self, from: [0x81, 0x00]).first?.unit == "mile")
  }

  @Test("encode(_:into:) appends, and takes everything back when it throws")
  func appending() throws {
    struct Broken: Encodable {
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode([Double](repeating: 1, count: 10_000))
        throw CancellationError()
      }
    }
    var output: [UInt8] = [9]
    try CBOREncoder().encode(1, into: &output)
    try CBOREncoder().encode("a", into: &output)
    #expect(throws: CancellationError.self) { try CBOREncoder().encode(Broken(), into: &output) }
    #expect(hexadecimal(output) == "09016161")
    output.removeAll(keepingCapacity: true)
    try CBOREncoder().encode(2, into: &output)
    #expect(output == [2])
  }

  @Test("an element that could not be encoded leaves nothing behind")
  func takingBack() throws {
    struct Refuses: Encodable {
      func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode([Int64](repeating: 7, count: 4000))
        var nested = container.nestedUnkeyedContainer()
        try nested.superEncoder().singleValueEncode(true)
        throw CancellationError()
      }
    }
    struct Tolerant: Encodable {
      func encode(to encoder: any Encoder) throws {
        var list = encoder.unkeyedContainer()
        try list.encode([Int64](repeating: 1, count: 4000))
        try? list.encode(Refuses())
        try list.encode(2)
      }
    }
    let expected: CBORValue = [.array(Array(repeating: 1, count: 4000)), 2]
    #expect(try CBORDecoder().decode(CBORValue.self, from: CBOREncoder().encode(Tolerant())) == expected)
  }

  @Test("a value that is misencoded throws")
  func misuse() throws {
    struct TwoKinds: Encodable {
      func encode(to encoder: any Encoder) throws {
        _ = encoder.container(keyedBy: CBORValue.Name.self)
        _ = encoder.unkeyedContainer()
      }
    }
    struct TwoValues: Encodable {
      func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(1)
        try container.encode(2)
      }
    }
    struct Nothing: Encodable {
      func encode(to encoder: any Encoder) {}
    }
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(TwoKinds()) }
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(TwoValues()) }
    #expect(throws: EncodingError.self) { try CBOREncoder().encode([TwoValues()]) }
    #expect(try encoded(Nothing()) == "a0")
  }

  @Test("a container or decoder that was kept can neither be written to nor read from")
  func keptContainers() throws {
    final class Keeper: Codable {
      var encoder: (any Encoder)?
      var container: KeyedEncodingContainer<CBORValue.Name>?
      var decoder: (any Decoder)?
      init() {}
      init(from decoder: any Decoder) { self.decoder = decoder }
      func encode(to encoder: any Encoder) throws {
        self.encoder = encoder
        container = encoder.container(keyedBy: CBORValue.Name.self)
        try container?.encode(1, forKey: .init(stringValue: "a"))
      }
    }
    let keeper = Keeper()
    let cbor = try CBOREncoder().encode([keeper])
    #expect(hexadecimal(cbor) == "81a1616101")
    #expect(throws: EncodingError.self) { try keeper.container?.encode(2, forKey: .init(stringValue: "b")) }
    let kept = try CBORDecoder().decode([Keeper].self, from: cbor)
    let decoder = try #require(kept.first?.decoder)
    #expect(throws: DecodingError.self) { try decoder.singleValueContainer().decode(CBORValue.self) }
    #expect(throws: DecodingError.self) { try decoder.container(keyedBy: CBORValue.Name.self) }
    #expect(throws: DecodingError.self) { try decoder.unkeyedContainer() }
  }
}

extension Encoder {
  fileprivate func singleValueEncode(_ value: Bool) throws {
    var container = singleValueContainer()
    try container.encode(value)
  }
}
