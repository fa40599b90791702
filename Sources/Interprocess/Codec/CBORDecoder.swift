/// Turns CBOR (RFC 8949) into `Decodable` values.
///
/// ```swift
/// let measurement = try CBORDecoder().decode([Double].self, from: try CBOREncoder().encode([1.5, 2.5]))
/// ```
///
/// The input may come from a stranger. Whatever it is, decoding ends with a value or throws; nesting is bounded, and
/// memory is allocated for what is there, never for what a length claims. All encodings are read, not only those that
/// ``CBOREncoder`` writes: indefinite lengths, integers and floating-point numbers of any width, unknown tags (skipped),
/// typed arrays (RFC 8746) of either byte order.
///
/// Errors are those that users of `Codable` know. `DecodingError.dataCorrupted` is thrown for what is no CBOR: input that
/// ends too early or too late, invalid UTF-8, the same key twice; and for numbers that do not fit into their type. Each
/// has the coding path, and the place in the input. Text in fields that no type asks for is not looked at.
public struct CBORDecoder: Sendable {
  /// What an input may hold.
  public struct Limits: Sendable, Hashable {
    /// How deep arrays and maps may lie in each other.
    public var maximumDepth: Int

    /// How long a string may be, in bytes, and how many elements an array or a map may have, in addition to the bound
    /// that the length of the input is.
    public var maximumLength: Int

    public init(maximumDepth: Int = 128, maximumLength: Int = .max) {
      self.maximumDepth = maximumDepth
      self.maximumLength = maximumLength
    }
  }

  public var limits: Limits

  /// What the values being decoded find in their decoder's `userInfo`.
  public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

  /// One more of them, which costs nothing until a value asks for them.
  package var lateUserInfo: (key: CodingUserInfoKey, value: any Sendable)?

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// The value that `bytes` is the CBOR of, from the first byte to the last.
  ///
  /// - Throws: `DecodingError`, or what the value's `init(from:)` throws.
  public func decode<Value: Decodable>(_ type: Value.Type, from bytes: RawSpan) throws -> Value {
    try bytes.withUnsafeBytes { try decode(type, from: $0) }
  }

  /// The value that `bytes` is the CBOR of, from the first byte to the last.
  ///
  /// - Throws: `DecodingError`, or what the value's `init(from:)` throws.
  public func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
    try bytes.withUnsafeBytes { try decode(type, from: $0) }
  }

  private func decode<Value: Decodable>(_ type: Value.Type, from bytes: UnsafeRawBufferPointer) throws -> Value {
    let reader = CBORReader(bytes, limits: limits, userInfo: userInfo, late: lateUserInfo)
    defer { reader.invalidate() }
    let root = DecodingScope(reader)
    var position = 0
    let value = try root.decode(type, at: &position, .none)
    if position < reader.count {
      let left = reader.count - position
      throw CBORFault.corrupted("\(left) bytes follow the value", at: position).decodingError(type, [])
    }
    return value
  }
}
