import Interprocess
import Testing

@Suite("The codec's keys, and what the standard library encodes by itself")
struct CodecKeyTests {
  class Animal: Codable {
    var name: String
    init(name: String) { self.name = name }
  }

  /// Its superclass has a key of its own choice, among keys that are integers.
  final class Dog: Animal {
    var age: Int
    enum CodingKeys: Int, CodingKey {
      case age = 1
      case animal = 2
    }

    init(name: String, age: Int) {
      self.age = age
      super.init(name: name)
    }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      age = try container.decode(Int.self, forKey: .age)
      try super.init(from: container.superDecoder(forKey: .animal))
    }

    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(age, forKey: .age)
      try super.encode(to: container.superEncoder(forKey: .animal))
    }
  }

  @Test("a superclass may have a key of its own, an integer too")
  func superclass() throws {
    let bytes = try CBOREncoder().encode(Dog(name: "a", age: 7))
    // {1: 7, 2: {"name": "a"}}
    #expect(bytes == [0xa2, 0x01, 0x07, 0x02, 0xa1, 0x64, 0x6e, 0x61, 0x6d, 0x65, 0x61, 0x61])
    let dog = try CBORDecoder().decode(Dog.self, from: bytes)
    #expect(dog.name == "a" && dog.age == 7)
    #expect(throws: DecodingError.self) {
      try CBORDecoder().decode(
        Dog.self, from: [0xa2, 0x01, 0x07, 0x03, 0xa1, 0x64, 0x6e, 0x61, 0x6d, 0x65, 0x61, 0x61])
    }
  }

  enum Colour: String, Codable, CodingKeyRepresentable { case red, green }

  struct Plain: Hashable, Codable { var number: Int }

  private func roundTrip<Value: Codable & Equatable>(_ value: Value) throws {
    #expect(try CBORDecoder().decode(Value.self, from: CBOREncoder().encode(value)) == value)
  }

  @Test("dictionaries by what their keys are, sets and ranges come back")
  func standardLibrary() throws {
    #expect(try CBOREncoder().encode([Colour.red: 1]) == [0xa1, 0x63, 0x72, 0x65, 0x64, 0x01])
    try roundTrip([Colour.red: 1.5, .green: -2])
    try roundTrip([Plain(number: 1): "a", Plain(number: 2): "b"])
    try roundTrip(["": [1: 2]])
    try roundTrip(Set(["a", "b", ""]))
    try roundTrip(Set([1, 500, -3]))
    try roundTrip(0..<10)
    try roundTrip(Int64.min...Int64.max)
    try roundTrip([1.5..<2, -1..<0])
  }
}
