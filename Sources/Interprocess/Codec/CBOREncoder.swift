/// Turns `Encodable` values into CBOR (RFC 8949), the binary format that any language can read.
///
/// ```swift
/// let bytes = try CBOREncoder().encode([1.5, 2.5])
/// ```
///
/// Lengths are definite, integers and floating-point numbers as short as their value allows. Arrays of numbers of fixed
/// width are typed arrays (RFC 8746): one copy of their memory. <doc:TheFormatOfMessages> says what each type becomes.
///
/// Errors are those that users of `Codable` know: `EncodingError` with the coding path, or whatever a value's
/// `encode(to:)` throws.
public struct CBOREncoder: Sendable {
  /// How deep arrays and maps may lie in each other; beyond that `EncodingError.invalidValue` is thrown, before the
  /// stack overflows. 128 unless it is set, as for ``CBORDecoder``.
  public var maximumDepth = 128

  /// What the values being encoded find in their encoder's `userInfo`.
  public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

  /// One more of them, which costs nothing until a value asks for them.
  package var lateUserInfo: (key: CodingUserInfoKey, value: any Sendable)?

  public init() {}

  /// The CBOR of a value.
  ///
  /// - Throws: `EncodingError`, or what the value's `encode(to:)` throws.
  public func encode<Value: Encodable>(_ value: Value) throws -> [UInt8] {
    var output: [UInt8] = []
    try encode(value, into: &output)
    return output
  }

  /// Appends the CBOR of a value to `output`, which is left as it was where that throws.
  ///
  /// `output.removeAll(keepingCapacity: true)` between two values recycles the memory.
  ///
  /// - Throws: `EncodingError`, or what the value's `encode(to:)` throws.
  public func encode<Value: Encodable>(_ value: Value, into output: inout [UInt8]) throws {
    let state = EncodingState(maximumDepth: maximumDepth, userInfo: userInfo, late: lateUserInfo)
    defer { state.close() }
    // Around the value there is a scope without a shape, which gives it neither key nor depth.
    let root = state.makeScope(buffer: CBORBuffer(capacity: 512))
    try root.encode(value, .none)
    root.buffer.appendAll(to: &output)
  }
}
