import Interprocess

/// An error that a worker's code threw, on its way to the caller: as itself where it is `Codable` and its type can be found
/// by name, and where it is a `CancellationError`; otherwise as its type's name and description.
enum WireError {
  private enum Form {
    static let text: UInt8 = 0
    static let whole: UInt8 = 1
    static let cancellation: UInt8 = 2
  }

  static func append(_ error: any Error, to frame: inout [UInt8]) {
    if error is CancellationError { return frame.append(Form.cancellation) }
    let whole = frame.count
    if let codable = error as? any Error & Codable, let name = name(of: type(of: codable)) {
      do {
        frame.append(Form.whole)
        frame.append(part: name)
        try frame.append(part: codable)
        return
      } catch {
        // It is told as text then.
        frame.removeSubrange(whole...)
      }
    }
    frame.append(Form.text)
    frame.append(part: String(reflecting: type(of: error)))
    frame.append(part: String(describing: error))
  }

  /// Reads what ``append(_:to:)`` wrote.
  static func read(_ reader: inout FrameReader) throws(FrameReader.Malformed) -> any Error {
    switch try reader.byte() {
    case Form.text: return RemoteError(typeName: try reader.text(), message: try reader.text())
    case Form.whole:
      let name = try reader.text()
      guard ErrorName.isPlain(name), let type = _typeByName(name) as? any (Error & Codable).Type else {
        throw FrameReader.Malformed()
      }
      return try decode(type, &reader)
    case Form.cancellation: return CancellationError()
    default: throw FrameReader.Malformed()
    }
  }

  /// The name by which the caller finds a type; `nil` for one that is private, or local to a function.
  private static func name(of type: any Any.Type) -> String? {
    guard let name = _mangledTypeName(type), ErrorName.isPlain(name), _typeByName(name) == type else { return nil }
    return name
  }

  private static func decode<Failure: Error & Codable>(
    _: Failure.Type, _ reader: inout FrameReader
  ) throws(FrameReader.Malformed) -> any Error {
    do {
      return try reader.value(Failure.self)
    } catch {
      throw FrameReader.Malformed()
    }
  }
}

extension FrameReader {
  mutating func byte() throws(Malformed) -> UInt8 {
    guard !isAtEnd else { throw Malformed() }
    return bytes[skip(1)]
  }
}

/// An error that code in a worker threw and that could not travel as itself, not being `Codable`.
public struct RemoteError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The type of the error that was thrown, in full.
  public let typeName: String

  /// The error's description.
  public let message: String

  public var description: String { "\(typeName): \(message)" }
}
