import Glibc
import Interprocess
import TestSupport
import Testing

@Suite("The codec and hostile input", .blocking)
struct CodecHostileTests {
  struct Tree: Codable {
    var children: [Tree] = []
  }

  private func reason<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8], limits: CBORDecoder.Limits = .init()
  ) -> String {
    do {
      _ = try CBORDecoder(limits: limits).decode(type, from: bytes)
      return "decoded"
    } catch DecodingError.dataCorrupted(let context) {
      return context.debugDescription
    } catch {
      return "\(error)"
    }
  }

  @Test("nesting is bounded, where it is decoded and where it is skipped")
  func depth() throws {
    struct Anything: Codable { init(from decoder: any Decoder) {} }
    for type in [CBORValue.self, Anything.self] as [any Decodable.Type] {
      for opening in [[0x81], [0xa1, 0x00], [0x9f], [0xbf, 0x00], [0xc1, 0x81]] as [[UInt8]] {
        let deep = Array(repeatElement(opening, count: 1_000_000).joined())
        #expect(reason(type, deep) != "decoded")
        if type == Anything.self { #expect(reason(type, deep).hasSuffix("nested more than 128 deep")) }
      }
      let allowed = [UInt8](repeating: 0x81, count: 127) + [0x80]
      #expect(reason(type, allowed) == "decoded")
      #expect(reason(type, [0x81] + allowed).hasSuffix("nested more than 128 deep"))
      #expect(reason(type, [0x81, 0x81, 0x80], limits: .init(maximumDepth: 2)).hasSuffix("nested more than 2 deep"))
      #expect(reason(type, [0x81, 0x80], limits: .init(maximumDepth: 2)) == "decoded")
    }
    // Tags are no nesting.
    #expect(reason(Int.self, [UInt8](repeating: 0xc6, count: 1_000_000) + [0x00]) == "decoded")
    #expect(reason(Anything.self, [UInt8](repeating: 0xc6, count: 1_000_000) + [0x00]) == "decoded")
  }

  @Test("encoding is as deep as decoding, and throws beyond")
  func encodingDepth() throws {
    func nested(_ depth: Int) -> CBORValue { depth == 0 ? 0 : .array([nested(depth - 1)]) }
    let deepest = try CBOREncoder().encode(nested(128))
    #expect(try CBORDecoder().decode(CBORValue.self, from: deepest) == nested(128))
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(nested(129)) }
  }

  @Test(
    "a length that is only claimed costs nothing, and throws",
    arguments: [
      "5b7fffffffffffffff", "7b7fffffffffffffff", "9b7fffffffffffffff", "bb7fffffffffffffff", "5bffffffffffffffff",
      "9bffffffffffffffff", "bbffffffffffffffff", "d8565b7fffffffffffffff", "d8567b00", "9a7fffffff00",
      "ba7fffffff0000",
      "5f5b7fffffffffffffff", "c25b7fffffffffffffff", "a17b7fffffffffffffff",
    ])
  func claims(hexadecimal: String) {
    struct Anything: Decodable { init(from decoder: any Decoder) {} }
    let types: [any Decodable.Type] = [
      CBORValue.self, Anything.self, [Double].self, [UInt8].self, [String].self, String.self, Int128.self,
      [String: Int].self, [Bool].self, Tree.self, Set<Int>.self,
    ]
    for type in types {
      #expect(throws: DecodingError.self) { _ = try CBORDecoder().decode(type, from: bytes(hexadecimal)) }
    }
  }

  @Test("a large message takes no memory for what it only claims, nor for keys that nobody can ask for")
  func memory() throws {
    let run = try Command.run(Package.program("forked-process-helper"), ["codec-claims"], timeout: generous)
    #expect(run.lines == ["done"], "exit \(run.exitCode) \(run.errors)")
  }

  @Test("a map of very many keys takes as long as they are many, whatever they are", .timeLimit(.minutes(2)))
  func manyKeys() throws {
    struct Field: Decodable, Equatable { let a: Int }
    // Quadratic, each of these would take an hour.
    let strange = [0xba, 0x00, 0x03, 0x0d, 0x41] + [UInt8](repeating: 0xf4, count: 400_000) + bytes("6161 01")
    #expect(try CBORDecoder().decode(Field.self, from: strange) == Field(a: 1))
    let numbered = CBORValue.map((0..<100_000).map { .init(key: .init(intValue: $0), value: 0) })
    let small = CBORValue.map((0..<17).map { .init(key: .init(intValue: $0), value: 0) })
    let many = CBORValue.array([numbered] + Array(repeating: small, count: 2000))
    #expect(try CBORDecoder().decode([[Int: Int]].self, from: CBOREncoder().encode(many)).count == 2001)
  }

  @Test("limits on lengths hold")
  func lengths() {
    let limits = CBORDecoder.Limits(maximumLength: 3)
    #expect(reason(String.self, bytes("64 61616161"), limits: limits).contains("3 are allowed"))
    #expect(reason([UInt8].self, bytes("5f 42 0102 42 0304 ff"), limits: limits).contains("more than 3 bytes"))
    #expect(reason([Int].self, bytes("84 01020304"), limits: limits).contains("more than 3 elements"))
    #expect(reason([Int].self, bytes("83 010203"), limits: limits) == "decoded")
    // Of an indefinite length, too.
    #expect(reason([Int].self, bytes("9f 01020304 ff"), limits: limits).contains("an array of more than 3 elements"))
    #expect(reason([Int].self, bytes("9f 010203 ff"), limits: limits) == "decoded")
    let map = bytes("bf 0101 0202 0303 0404 ff")
    #expect(reason([Int: Int].self, map, limits: limits).contains("a map of more than 3 elements"))
    #expect(reason([Int: Int].self, bytes("bf 0101 0202 0303 ff"), limits: limits) == "decoded")
    #expect(reason(String.self, bytes("7f 626161 626161 ff"), limits: limits).contains("more than 3 bytes"))
  }

  @Test("the same key twice throws, also among many, and also where nobody asks for it")
  func duplicates() throws {
    struct Field: Decodable { let a: Int }
    #expect(reason(Field.self, bytes("a2 6161 01 6161 02")).hasSuffix("a map has the same key twice"))
    #expect(reason(Field.self, bytes("a3 6161 01 6162 02 6162 03")).hasSuffix("a map has the same key twice"))
    #expect(reason([Int: Int].self, bytes("a2 05 01 05 02")).hasSuffix("a map has the same key twice"))
    #expect(reason(Field.self, bytes("a2 7f 6161 ff 01 6161 02")).hasSuffix("a map has the same key twice"))
    for count in [2, 15, 16, 17, 18, 1000] {
      for position in [0, count / 2, count - 1] {
        let keys = Array(0..<count) + [position]
        let map = CBORValue.map(keys.map { .init(key: .init(stringValue: "key \($0)"), value: 0) })
        let numbers = CBORValue.map(keys.map { .init(key: .init(intValue: $0), value: 0) })
        #expect(reason([String: Int].self, try CBOREncoder().encode(map)).hasSuffix("the same key twice"))
        #expect(reason([Int: Int].self, try CBOREncoder().encode(numbers)).hasSuffix("the same key twice"))
      }
    }
  }

  @Test(
    "text that is not UTF-8 throws",
    arguments: [
      "61ff", "62c080", "63eda080", "64f4908080", "62c328", "7f61c361bcff", "a161ff01", "7f61ffff", "81 61ff",
    ])
  func invalidText(hexadecimal: String) {
    for type in [CBORValue.self, String.self, [String].self, [String: Int].self] as [any Decodable.Type] {
      #expect(throws: DecodingError.self) { _ = try CBORDecoder().decode(type, from: bytes(hexadecimal)) }
    }
    #expect(reason(String.self, bytes("61ff")).hasSuffix("a text string is not valid UTF-8"))
    #expect(reason([String: Int].self, bytes("a161ff01")).hasSuffix("a text string is not valid UTF-8"))
  }

  @Test(
    "what is no CBOR throws",
    arguments: [
      "", "1c", "1d", "1e", "1f", "3c", "3f", "5c", "5e", "7d", "9c", "bd", "dc", "df", "fc", "fd", "fe", "ff", "f800",
      "f81f", "81ff", "a1ff", "a100ff", "bf00ff", "9f", "9f00", "bf", "bf00", "5f", "5f00ff", "5f5f4100ffff",
      "5f6100ff",
      "7f4100ff", "7f7f6100ffff", "c0", "c1c1", "d8", "8201", "a2000000", "0000", "81810000",
    ])
  func malformed(hexadecimal: String) {
    struct Anything: Decodable { init(from decoder: any Decoder) {} }
    for type in [CBORValue.self, Anything.self, [Anything].self, [UInt8].self, Tree.self] as [any Decodable.Type] {
      #expect(throws: DecodingError.self) { _ = try CBORDecoder().decode(type, from: bytes(hexadecimal)) }
    }
  }

  @Test("errors say where: in the value and in the bytes")
  func places() throws {
    struct Inner: Codable {
      var list: [Inner?]?
      var number: UInt8?
    }
    func path<Value: Decodable>(_ type: Value.Type, _ hexadecimal: String) -> String {
      let error = #expect(throws: DecodingError.self) { try decoded(type, hexadecimal) }
      switch error {
      case .typeMismatch(_, let context), .dataCorrupted(let context), .valueNotFound(_, let context),
        .keyNotFound(_, let context):
        return context.codingPath.map(\.stringValue).joined(separator: ".") + ": " + context.debugDescription
      default: return "\(String(describing: error))"
      }
    }
    // {"list": [nil, {"number": 256}]}
    #expect(
      path(Inner.self, "a1 646c697374 82 f6 a1 666e756d626572 190100")
        == "list.Index 1.number: byte 16: 256 does not fit into UInt8")
    #expect(path([[Int]].self, "82 80 81 6161").hasPrefix("Index 1"))
    #expect(path(Int.self, "6161") == ": byte 0: found a text string")
    #expect(path([[Int]].self, "81 f6") == "Index 0: byte 1: found null")
    #expect(path(Tree.self, "a0").contains("no value for key") && path(Tree.self, "a0").contains("children"))
  }

  @Test("a coding path is right where encoding fails, too")
  func encodingPlaces() {
    struct Broken: Encodable {
      func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(
          self, EncodingError.Context(codingPath: encoder.codingPath, debugDescription: "broken"))
      }
    }
    let error = #expect(throws: EncodingError.self) {
      try CBOREncoder().encode(["a": [[], [Broken()]]])
    }
    guard case .invalidValue(_, let context) = error else { return }
    #expect(context.codingPath.map(\.stringValue) == ["a", "Index 1", "Index 0"])
  }

  @Test("random bytes, and vectors with a byte changed, end in a value or an error")
  func garbage() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let count = Int.random(in: 1...40, using: &generator)
      CodecSubject.run((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
    for vector in CodecVectorTests.vectors.map({ bytes($0.hexadecimal) }) {
      for index in vector.indices {
        for value in stride(from: 0 as UInt8, to: 255, by: 5) {
          var changed = vector
          changed[index] = value
          CodecSubject.run(changed)
        }
      }
    }
  }

  @Test("what the fuzzer found stays found")
  func corpus() throws {
    let files = try Command.run("/usr/bin/find", ["\(Package.root)/Fuzzing/Corpus/cbor", "-type", "f"]).output
    let paths = files.split(separator: "\n").map(String.init)
    #expect(paths.count > 10)
    for path in paths { CodecSubject.run(contents(of: path)) }
  }

  private func contents(of path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    return [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
      count = fread(buffer.baseAddress, 1, buffer.count, file)
    }
  }
}
