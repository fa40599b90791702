import Interprocess

/// An error that a worker's code threw, on its way to the caller: as itself where it is `Codable`, otherwise as its type's
/// name and description.
enum WireError {
  /// Longer names are no types of ours.
  private static let longestName = 1024

  static func append(_ error: any Error, to frame: inout [UInt8]) {
    let whole = frame.count
    if let codable = error as? any Error & Codable, let name = _mangledTypeName(type(of: codable)) {
      do {
        frame.append(1)
        frame.append(part: name)
        try frame.append(part: codable)
        return
      } catch {
        // It is told as text then.
        frame.removeSubrange(whole...)
      }
    }
    frame.append(0)
    frame.append(part: String(reflecting: type(of: error)))
    frame.append(part: String(describing: error))
  }

  /// Reads what ``append(_:to:)`` wrote.
  static func read(_ reader: inout FrameReader) throws(FrameReader.Malformed) -> any Error {
    guard !reader.isAtEnd else { throw FrameReader.Malformed() }
    let flag = try reader.byte()
    let name = try reader.text()
    guard flag == 1 else { return RemoteError(typeName: name, message: try reader.text()) }
    guard name.utf8.count <= longestName, name.utf8.allSatisfy({ (33...126).contains($0) }),
      let type = _typeByName(name) as? any (Error & Codable).Type
    else { throw FrameReader.Malformed() }
    return try decode(type, &reader)
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
