import Interprocess

/// An argument in a frame is a part with its length before it; or, where it lies in the arena, no length, the block, and
/// how many bytes.
private let inArena = UInt64.max

extension [UInt8] {
  /// Appends an argument: a large array goes to the arena, if there is one.
  ///
  /// - Parameter passed: takes the descriptors of shared arrays in it.
  /// - Returns: what has to be kept until the call is over.
  mutating func append<Value: Encodable>(
    argument value: Value, _ arena: Arena?, _ passed: PassedDescriptors? = nil
  ) throws -> ArenaLease? {
    guard let lease = arena?.place(value) else {
      try append(part: value, passed)
      return nil
    }
    append(littleEndian: inArena)
    append(littleEndian: lease.block.id)
    append(littleEndian: UInt64(lease.byteCount))
    return lease
  }
}

extension FrameReader {
  mutating func argument<Value: Decodable>(
    _: Value.Type, _ arena: WorkerArena?, _ arrived: ArrivedDescriptors? = nil
  ) throws -> Value {
    var ahead = self
    guard try ahead.number() == inArena else { return try value(Value.self, arrived) }
    let block = try ahead.number()
    guard let arena, let type = Value.self as? any PlainArray.Type, let byteCount = Int(exactly: try ahead.number()),
      let array = try Self.array(type, arena, block, byteCount) as? Value
    else { throw Malformed() }
    self = ahead
    return array
  }

  private static func array<Elements: PlainArray>(
    _: Elements.Type, _ arena: WorkerArena, _ block: UInt64, _ byteCount: Int
  ) throws -> Any {
    try arena.array(Elements.self, in: block, byteCount: byteCount)
  }
}
