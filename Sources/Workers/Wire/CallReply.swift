import Interprocess

/// What a worker answered. It is handed on several times, and so is no value of four parts.
final class CallReply: Sendable {
  let frame: [UInt8]
  /// The descriptors of shared arrays in it.
  let arrived: ArrivedDescriptors?
  /// A large array that it is.
  let lent: LentResult?
  /// Why it could not be taken.
  let failure: InterprocessError?

  init(
    frame: [UInt8], arrived: ArrivedDescriptors? = nil, lent: LentResult? = nil, failure: InterprocessError? = nil
  ) {
    self.frame = frame
    self.arrived = arrived
    self.lent = lent
    self.failure = failure
  }

  /// This, when it is a result.
  ///
  /// - Throws: the error that it is, else.
  func result() throws -> CallReply {
    if let failure { throw failure }
    switch Frame.head(of: frame)?.kind {
    case .result, .sharedResult, .lentResult: return self
    case .error:
      var reader = FrameReader(frame)
      throw try WireError.read(&reader)
    default: throw FrameReader.Malformed()
    }
  }

  /// The value that stands behind a result's head.
  func value<Value: Decodable>(_: Value.Type) throws -> Value {
    if lent != nil { return try lentArray(Value.self) }
    return try reader().rest(Value.self, arrived)
  }

  /// The one of the ``Numbers`` that stands behind a result's head.
  func number<Number>() throws -> Number {
    let reader = try reader()
    return try Numbers.readOne(Number.self, reader.restBytes)
  }

  /// The array that it is.
  func lentArray<Value>(_: Value.Type) throws -> Value {
    guard let lent, let type = Value.self as? any PlainArray.Type else { throw FrameReader.Malformed() }
    func array<Elements: PlainArray>(_: Elements.Type) throws -> Any { try lent.array(Elements.self) }
    guard let value = try array(type) as? Value else { throw FrameReader.Malformed() }
    return value
  }

  /// Reads what stands behind a result's head.
  func reader() throws(FrameReader.Malformed) -> FrameReader {
    var reader = FrameReader(frame)
    if arrived != nil { _ = try reader.number() }
    return reader
  }
}
