public import Distributed
import Interprocess

/// A distributed call on its way into a frame: the target's name, the generic types, the arguments.
public struct WorkerInvocationEncoder: DistributedTargetInvocationEncoder {
  public typealias SerializationRequirement = any Codable

  var genericTypes: [String] = []
  /// Each with its length before it.
  var arguments: [UInt8] = []

  init() {}

  public mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {
    guard let name = _mangledTypeName(type) else {
      throw WorkerCallError("the type \(type) has no name that another process knows it by")
    }
    genericTypes.append(name)
  }

  public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
    try arguments.append(part: argument.value)
  }

  public mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}
  public mutating func recordReturnType<R: Codable>(_ type: R.Type) throws {}
  public mutating func doneRecording() throws {}

  /// What stands behind the head of a ``Frame/Kind/call``.
  func frame(_ target: String) -> [UInt8] {
    var frame = Frame.begin(.call, 0, capacity: 16 + target.utf8.count + arguments.count)
    frame.append(part: target)
    frame.append(littleEndian: UInt64(genericTypes.count))
    for type in genericTypes { frame.append(part: type) }
    frame += arguments
    return frame
  }
}

/// A distributed call that came in a frame.
public struct WorkerInvocationDecoder: DistributedTargetInvocationDecoder {
  public typealias SerializationRequirement = any Codable

  private var reader: FrameReader
  let target: String
  private let genericTypes: [any Any.Type]

  init(_ frame: [UInt8]) throws {
    reader = FrameReader(frame)
    target = try reader.text()
    var types: [any Any.Type] = []
    for _ in 0..<(try reader.number()) {
      let name = try reader.text()
      guard let type = _typeByName(name) else { throw WorkerCallError("there is no type \(name) in the worker") }
      types.append(type)
    }
    genericTypes = types
  }

  public mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { genericTypes }
  public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument { try reader.value(Argument.self) }
  public mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
  public mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}

/// Writes the result of a call into a frame.
public struct WorkerResultHandler: DistributedTargetInvocationResultHandler {
  public typealias SerializationRequirement = any Codable

  /// Where the frame is left.
  final class Reply: @unchecked Sendable {
    // Sendable: written by the call, and read when the call has ended.
    var frame: [UInt8] = []
  }

  let call: UInt64
  let reply: Reply

  public func onReturn<Success: Codable>(value: Success) async throws {
    var frame = Frame.begin(.result, call)
    try CBOREncoder().encode(value, into: &frame)
    reply.frame = frame
  }

  public func onReturnVoid() async throws { reply.frame = Frame.begin(.result, call) }

  public func onThrow<Err: Error>(error: Err) async throws {
    var frame = Frame.begin(.error, call)
    WireError.append(error, to: &frame)
    reply.frame = frame
  }
}

/// A call that could not be made or understood: its arguments did not decode, for instance.
public struct WorkerCallError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
