import Interprocess

/// A call of a ``WorkerFunction`` on its way: the type's name, how many descriptors there are beside it, the inputs.
enum FunctionFrame {
  /// A call for elements of a chunk, and what lies beside it.
  static func make<Function: WorkerFunction>(
    _: Function.Type, _ name: TypeNames.Name, _ inputs: ArraySlice<Function.Input>, _ arena: Arena?
  ) throws -> ([UInt8], CallLoans) {
    if Numbers.include(Function.Input.self) {
      var frame = begin(name, descriptors: 0, capacity: inputs.count * MemoryLayout<Function.Input>.stride)
      Numbers.append(inputs, to: &frame)
      return (frame, CallLoans())
    }
    var loans = CallLoans()
    let passed = PassedDescriptors()
    var arguments: [UInt8] = []
    if Function.Input.self is any PlainArray.Type {
      for input in inputs {
        if let lease = try arguments.append(argument: input, arena, passed) { loans.leases.append(lease) }
      }
    } else {
      try CBOREncoder(passed).encode(Array(inputs), into: &arguments)
    }
    if passed.count > 0 { loans.passed = passed }
    var frame = begin(name, descriptors: passed.count, capacity: arguments.count)
    frame += arguments
    return (frame, loans)
  }

  /// A call for one element.
  static func make<Function: WorkerFunction>(
    _: Function.Type, _ name: TypeNames.Name, one input: Function.Input, _ arena: Arena?
  ) throws -> ([UInt8], CallLoans) {
    guard Numbers.include(Function.Input.self) else { return try make(Function.self, name, [input], arena) }
    var frame = begin(name, descriptors: 0, capacity: MemoryLayout<Function.Input>.stride)
    Numbers.append(input, to: &frame)
    return (frame, CallLoans())
  }

  private static func begin(_ name: TypeNames.Name, descriptors: Int, capacity: Int) -> [UInt8] {
    var frame = Frame.begin(.function, 0, capacity: 16 + name.mangled.utf8.count + capacity)
    frame.append(part: name.mangled)
    CallTrace.append(to: &frame)
    frame.append(littleEndian: UInt64(descriptors))
    return frame
  }
}
