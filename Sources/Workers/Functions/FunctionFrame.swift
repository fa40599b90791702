import Interprocess

/// A call of a ``WorkerFunction`` on its way: the type's name, how many descriptors there are beside it, the inputs.
enum FunctionFrame {
  /// A call for elements of a chunk.
  static func make<Function: WorkerFunction>(
    _: Function.Type, _ name: TypeNames.Name, _ inputs: ArraySlice<Function.Input>
  ) throws -> CallFrame {
    if Numbers.include(Function.Input.self) {
      var frame = begin(name, descriptors: 0, capacity: inputs.count * MemoryLayout<Function.Input>.stride)
      Numbers.append(inputs, to: &frame)
      return CallFrame(frame)
    }
    var large: [LargeArgument] = []
    let passed = PassedDescriptors()
    var arguments: [UInt8] = []
    if Function.Input.self is any PlainArray.Type {
      for input in inputs {
        if let array = try arguments.append(argument: input, passed) { large.append(array) }
      }
    } else {
      try CBOREncoder(passed).encode(Array(inputs), into: &arguments)
    }
    return CallFrame(
      begin(name, descriptors: passed.count, capacity: arguments.count), arguments, large, passed)
  }

  /// A call for one number, which gives one.
  static func make<Input>(_ name: TypeNames.Name, number input: Input) -> CallFrame {
    var frame = begin(name.elementHead, capacity: MemoryLayout<Input>.size)
    Numbers.append(input, to: &frame)
    return CallFrame(frame)
  }

  private static func begin(_ name: TypeNames.Name, descriptors: Int, capacity: Int) -> [UInt8] {
    var frame = begin(name.functionHead, capacity: 8 + capacity)
    frame.append(littleEndian: UInt64(descriptors))
    return frame
  }

  // In a generic function the array's own type would be looked up each time.
  @inline(never)
  private static func begin(_ head: [UInt8], capacity: Int) -> [UInt8] {
    var frame = [UInt8](unsafeUninitializedCapacity: head.count + capacity) { room, count in
      count = room.initialize(fromContentsOf: head)
    }
    CallTrace.append(to: &frame)
    return frame
  }
}
