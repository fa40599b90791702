import Interprocess

#if FoundationEssentials
  import FoundationEssentials
#endif

/// What the fuzzer runs: bytes are decoded as many types, and what can be decoded is encoded, decoded again and compared.
enum CodecSubject {
  struct Shapes: Codable, Equatable {
    enum Choice: Codable, Equatable {
      case none
      case one(Int16)
      case two(first: String, second: [Float]?)
    }

    var a: Int?
    var b: UInt8?
    var c: Double?
    var d: [Double]?
    var e: [Shapes]?
    var f: Choice?
    var g: String?
    var h: [UInt8]?
    var i: [Int32]?
    var j: Bool?
    var k: Float?
    var l: UInt128?
  }

  struct Numbered: Codable, Equatable {
    var one: Int128?
    var two: [String: Int]?
    var three: [Int: Bool]?
    var four: Set<UInt16>?

    enum CodingKeys: Int, CodingKey {
      case one = 1
      case two
      case three
      case four = -1
    }
  }

  #if FoundationEssentials
    struct Upload: Codable, Equatable {
      var date: Date?
      var content: Data?
      var dates: [Date]?
      var pieces: [Data?]?
      var next: [Upload]?
    }

    private static func runFoundation(_ bytes: [UInt8]) {
      check(Date.self, bytes)
      check(Data.self, bytes)
      check([Date].self, bytes)
      check([Data].self, bytes)
      check(Upload.self, bytes)
    }
  #endif

  /// Traps where the codec breaks its word.
  static func run(_ bytes: [UInt8]) {
    // Nothing with a dictionary or a set: the order of their elements is nobody's promise.
    check(CBORValue.self, bytes)
    check(Shapes.self, bytes)
    check([Shapes].self, bytes)
    check([Double].self, bytes)
    check([Float].self, bytes)
    check([UInt8].self, bytes)
    check([Int].self, bytes)
    check([[Int16]].self, bytes)
    check([Float16].self, bytes)
    check([String].self, bytes)
    check([Bool?].self, bytes)
    check(Int128.self, bytes)
    check(UInt64.self, bytes)
    check(Double.self, bytes)
    check(String.self, bytes)
    checkEqual(Numbered.self, bytes)
    checkEqual([String: Shapes].self, bytes) { $0.keys == $1.keys }
    checkEqual([Int: [Int]].self, bytes)
    #if FoundationEssentials
      runFoundation(bytes)
    #endif
  }

  /// The bytes of the second encoding are those of the first, also where a number is not equal to itself.
  private static func check<Value: Codable>(_ type: Value.Type, _ bytes: [UInt8]) {
    guard let value = try? CBORDecoder().decode(type, from: bytes) else { return }
    do {
      let first = try CBOREncoder().encode(value)
      let second = try CBOREncoder().encode(try CBORDecoder().decode(type, from: first))
      precondition(first == second, "\(type) changes: \(first), \(second)")
    } catch {
      preconditionFailure("\(type): \(error)")
    }
  }

  private static func checkEqual<Value: Codable & Equatable>(_ type: Value.Type, _ bytes: [UInt8]) {
    checkEqual(type, bytes) { $0 == $1 }
  }

  private static func checkEqual<Value: Codable>(
    _ type: Value.Type, _ bytes: [UInt8], _ isEqual: (Value, Value) -> Bool
  ) {
    guard let value = try? CBORDecoder().decode(type, from: bytes) else { return }
    do {
      let again = try CBORDecoder().decode(type, from: CBOREncoder().encode(value))
      precondition(isEqual(value, again), "\(type) changes: \(value), \(again)")
    } catch {
      preconditionFailure("\(type): \(error)")
    }
  }
}
