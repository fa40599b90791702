import Interprocess
import TestSupport
import Testing

/// Python's cbor2 at the other end: it reads what we write, and we read what it writes.
@Suite("The codec and Python's cbor2", .blocking, .enabled(if: PythonPeer.has("cbor2"), "\(PythonPeer.absence)"))
struct CodecPythonTests {
  class Animal: Codable {
    var legs = 4
  }

  final class Dog: Animal {
    var name = "Rex"
    enum CodingKeys: String, CodingKey { case name }

    override init() { super.init() }

    required init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      name = try container.decode(String.self, forKey: .name)
      try super.init(from: container.superDecoder())
    }

    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try super.encode(to: container.superEncoder())
    }
  }

  struct Numbered: Codable, Equatable {
    var first = "a"
    var second: Int?
    enum CodingKeys: Int, CodingKey {
      case first = 1
      case second = -2
    }
  }

  enum Shape: Codable, Equatable {
    case empty
    case circle(radius: Double, [Numbered])
  }

  struct Wrapped: Codable, Equatable, RawRepresentable {
    var rawValue: Int
  }

  /// What Python makes of the bytes, as it prints it.
  private func inPython(_ value: some Encodable) throws -> String {
    let program = "import cbor2, sys; print(repr(cbor2.loads(bytes.fromhex(sys.argv[1]))))"
    return try PythonPeer.run(program: program, try CBOREncoder().encode(value).hexadecimal)
  }

  /// What we make of the bytes that Python writes for an expression.
  private func fromPython<Value: Decodable>(_ type: Value.Type, _ expression: String) throws -> Value {
    let program = """
      import array, cbor2, datetime, struct, sys
      from cbor2 import CBORTag
      value = eval(sys.argv[1])
      print((value if type(value) is bytes else cbor2.dumps(value)).hex())
      """
    return try CBORDecoder().decode(type, from: bytes(try PythonPeer.run(program: program, expression)))
  }

  private func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = Array(hexadecimal)
    return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
  }

  @Test("cbor2 reads every shape")
  func shapesThere() throws {
    #expect(try inPython(Dog()) == "{'name': 'Rex', 'super': {'legs': 4}}")
    #expect(try inPython(Numbered(second: 5)) == "{1: 'a', -2: 5}")
    #expect(try inPython(Numbered()) == "{1: 'a'}")
    #expect(try inPython([Shape.empty]) == "[{'empty': {}}]")
    #expect(
      try inPython(Shape.circle(radius: 1.5, [Numbered()])) == "{'circle': {'radius': 1.5, '_1': [{1: 'a'}]}}")
    #expect(try inPython(Wrapped(rawValue: -7)) == "-7")
    #expect(try inPython([true, nil, false]) == "[True, None, False]")
    #expect(try inPython(["é\u{1F600}", ""]) == "['é\u{1F600}', '']")
    #expect(try inPython([3: "x"]) == "{3: 'x'}")
    #expect(try inPython([0.1]) == "CBORTag(86, b'\\x9a\\x99\\x99\\x99\\x99\\x99\\xb9?')")
    #expect(try inPython([UInt8](0...3)) == "b'\\x00\\x01\\x02\\x03'")
    #expect(try inPython(0.1) == "0.1")
    #expect(try inPython(-Double.infinity) == "-inf")
  }

  @Test("cbor2 reads integers of every width")
  func integersThere() throws {
    for value in [0, 23, 24, 255, 256, 65535, 65536, 1 << 32, Int128(UInt64.max), Int128(UInt64.max) + 1, .max] {
      #expect(try inPython(value) == "\(value)")
      #expect(try inPython(~value) == "\(~value)")
      #expect(try fromPython(Int128.self, "\(value)") == value)
      #expect(try fromPython(Int128.self, "\(~value)") == ~value)
    }
    #expect(try inPython(UInt128.max) == "\(UInt128.max)")
    #expect(try fromPython(UInt128.self, "2**128 - 1") == .max)
    #expect(throws: DecodingError.self) { try fromPython(UInt128.self, "2**128") }
  }

  @Test("typed arrays have the tags and the bytes that Python expects")
  func typedThere() throws {
    let program = """
      import array, cbor2, sys
      tag = cbor2.loads(bytes.fromhex(sys.argv[1]))
      print(tag.tag, array.array(sys.argv[2], tag.value).tolist())
      """
    func python(_ value: some Encodable, _ code: String) throws -> String {
      try PythonPeer.run(program: program, CBOREncoder().encode(value).hexadecimal, code)
    }
    #expect(try python([Double.pi, -1], "d") == "86 [3.141592653589793, -1.0]")
    #expect(try python([Float(0.5)], "f") == "85 [0.5]")
    #expect(try python([Int.min, 1], "q") == "79 [-9223372036854775808, 1]")
    #expect(try python([UInt64.max], "Q") == "71 [18446744073709551615]")
    #expect(try python([Int32.min], "i") == "78 [-2147483648]")
    #expect(try python([UInt32.max], "I") == "70 [4294967295]")
    #expect(try python([Int16.min], "h") == "77 [-32768]")
    #expect(try python([UInt16.max], "H") == "69 [65535]")
    #expect(try python([Int8.min], "b") == "72 [-128]")
  }

  @Test("we read what cbor2 writes")
  func here() throws {
    #expect(try fromPython(Dog.self, "{'super': {'legs': 3}, 'name': 'x', 'unknown': [1, {2: 3}]}").legs == 3)
    #expect(try fromPython(Numbered.self, "{1: 'b', -2: None}") == Numbered(first: "b"))
    #expect(
      try fromPython(Shape.self, "{'circle': {'radius': 2, '_1': ({1: 'c'},)}}")
        == .circle(radius: 2, [Numbered(first: "c")]))
    #expect(try fromPython([Wrapped].self, "[1, -1]") == [Wrapped(rawValue: 1), Wrapped(rawValue: -1)])
    #expect(try fromPython([Bool?].self, "[True, None, cbor2.undefined]") == [true, nil, nil])
    #expect(try fromPython(Double.self, "0.1") == 0.1)
    #expect(try fromPython([Double].self, "CBORTag(86, struct.pack('<3d', 1, 2.5, -3))") == [1, 2.5, -3])
    #expect(try fromPython([Double].self, "CBORTag(82, struct.pack('>2d', 1, 2.5))") == [1, 2.5])
    #expect(try fromPython([Int].self, "CBORTag(77, array.array('h', [-1, 5]).tobytes())") == [-1, 5])
    #expect(try fromPython([Double].self, "[1, 2.5]") == [1, 2.5])
    #expect(try fromPython([UInt8].self, "bytearray([0, 255])") == [0, 255])
    #expect(try fromPython([String: [Int]].self, "{'a': [1], 'b': []}") == ["a": [1], "b": []])
    #expect(
      try fromPython(String.self, "datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)").hasPrefix("2020"))
  }

  @Test("indefinite lengths, as a stream of them is written by hand in Python")
  func indefinite() throws {
    #expect(try fromPython([Int].self, "b'\\x9f\\x01' + cbor2.dumps(500) + b'\\xff'") == [1, 500])
    #expect(try fromPython(String.self, "b'\\x7f' + cbor2.dumps('ab') + cbor2.dumps('c') + b'\\xff'") == "abc")
    #expect(
      try fromPython([UInt8].self, "b'\\x5f' + cbor2.dumps(b'ab') + cbor2.dumps(b'c') + b'\\xff'") == [97, 98, 99])
    #expect(try fromPython(Numbered.self, "b'\\xbf' + cbor2.dumps(1) + cbor2.dumps('z') + b'\\xff'").first == "z")
  }
}

extension [UInt8] {
  fileprivate var hexadecimal: String {
    map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
