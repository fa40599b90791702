import Interprocess

// An argument in a frame is a part with its length before it, or says where in the arena it lies: see LargeArgument.

extension [UInt8] {
  /// Appends an argument to the arguments of a call.
  ///
  /// - Parameter passed: takes the descriptors of shared arrays in it.
  /// - Returns: a large array, which is to be put into its place when the call is sent.
  mutating func append<Value: Encodable>(
    argument value: Value, _ passed: PassedDescriptors? = nil
  ) throws -> LargeArgument? {
    guard let array = Arena.largeArray(value) else {
      try append(part: value, passed)
      return nil
    }
    defer { LargeArgument.appendPlace(to: &self) }
    return LargeArgument(array, value, at: count)
  }
}

extension FrameReader {
  mutating func argument<Value: Decodable>(
    _: Value.Type, _ arena: WorkerArena?, _ arrived: ArrivedDescriptors? = nil
  ) throws -> Value {
    guard let (block, byteCount) = try LargeArgument.read(&self) else { return try value(Value.self, arrived) }
    guard let arena, let type = Value.self as? any PlainArray.Type,
      let array = try Self.array(type, arena, block, byteCount) as? Value
    else { throw Malformed() }
    return array
  }

  private static func array<Elements: PlainArray>(
    _: Elements.Type, _ arena: WorkerArena, _ block: UInt64, _ byteCount: Int
  ) throws -> Any {
    try arena.array(Elements.self, in: block, byteCount: byteCount)
  }
}
