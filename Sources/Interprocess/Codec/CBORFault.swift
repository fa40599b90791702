/// What is wrong with the bytes at a place: what ``DecodingError`` says, before the coding path is known.
struct CBORFault: Error {
  enum Kind {
    /// The bytes are no CBOR, or above a limit.
    case corrupted
    /// They are, but another kind of item than was asked for.
    case mismatch
    /// The item is null.
    case null
  }

  let kind: Kind
  let offset: Int
  let message: String

  static func corrupted(_ message: String, at offset: Int) -> CBORFault {
    CBORFault(kind: .corrupted, offset: offset, message: message)
  }

  static func truncated(at offset: Int) -> CBORFault {
    corrupted("the input ends within an item", at: offset)
  }

  static func doesNotFit(_ value: String, _ type: Any.Type, at offset: Int) -> CBORFault {
    corrupted("\(value) does not fit into \(type)", at: offset)
  }

  static func mismatch(_ head: CBORHead, at offset: Int) -> CBORFault {
    let isNull = head.first == CBORByte.null || head.first == CBORByte.undefined
    return CBORFault(kind: isNull ? .null : .mismatch, offset: offset, message: "found \(head.kind)")
  }

  func at(_ offset: Int) -> CBORFault { CBORFault(kind: kind, offset: offset, message: message) }

  func decodingError(_ type: Any.Type, _ codingPath: [any CodingKey]) -> DecodingError {
    let context = DecodingError.Context(codingPath: codingPath, debugDescription: "byte \(offset): \(message)")
    return switch kind {
    case .corrupted: .dataCorrupted(context)
    case .mismatch: .typeMismatch(type, context)
    case .null: .valueNotFound(type, context)
    }
  }
}
