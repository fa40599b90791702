/// Fields laid one after another, for two processes that run the same program: nothing here has to be understood by
/// another one.
struct FieldWriter {
  private(set) var bytes: [UInt8] = []

  mutating func put(_ number: some FixedWidthInteger) {
    let value = UInt64(truncatingIfNeeded: number)
    for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  mutating func put(_ blob: [UInt8]) {
    put(blob.count)
    bytes += blob
  }

  mutating func put(_ text: String) { put(Array(text.utf8)) }

  mutating func put(numbers: [CInt]) {
    put(numbers.count)
    for number in numbers { put(number) }
  }

  /// What may be missing: a flag, and then what there is.
  mutating func put<Value>(_ value: Value?, _ putValue: (inout FieldWriter, Value) -> Void) {
    put(value == nil ? 0 : 1)
    if let value { putValue(&self, value) }
  }
}

/// Reads what a ``FieldWriter`` wrote.
struct FieldReader {
  /// The bytes end before the fields do, or say what they cannot mean.
  struct Malformed: Error {}

  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(Malformed) -> Number {
    guard rest.count >= 8 else { throw Malformed() }
    let value = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    rest = rest.dropFirst(8)
    return Number(truncatingIfNeeded: value)
  }

  mutating func blob() throws(Malformed) -> [UInt8] {
    let count: Int = try number()
    guard count >= 0, count <= rest.count else { throw Malformed() }
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  mutating func numbers() throws(Malformed) -> [CInt] {
    let count: Int = try number()
    guard count >= 0, count <= rest.count / 8 else { throw Malformed() }
    var numbers: [CInt] = []
    for _ in 0..<count { numbers.append(try number()) }
    return numbers
  }

  mutating func text() throws(Malformed) -> String { String(decoding: try blob(), as: UTF8.self) }

  mutating func optional<Value>(
    _ value: (inout FieldReader) throws(Malformed) -> Value
  ) throws(Malformed) -> Value? {
    try number(Int.self) == 0 ? nil : try value(&self)
  }
}
