import CWorkers

/// An array whose elements are nothing but their bytes, so that the other process, which runs the same program, can have
/// them as they lie in memory.
protocol PlainArray {
  /// `nil` where elements are more than bytes, or aligned to more than the memory of an array is.
  static var plainStride: Int? { get }
  /// Whether its elements are numbers of fixed width, and so any bytes are some: even those of a stranger.
  static var isOfNumbers: Bool { get }
  var plainByteCount: Int { get }
  func copyPlainBytes(to memory: UnsafeMutableRawBufferPointer)
  init(copying memory: UnsafeRawBufferPointer)
  /// - Throws: where so many bytes are no whole number of elements; and what `fill` throws.
  init(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws
  /// - Returns: the array, and the object that holds its elements; `nil` where only a copy is possible.
  static func lent(by memory: LentMemory, byteCount: Int) -> (array: Self, holder: AnyObject)?
}

/// A value that is an array, as one. By its static type, as the other side has it: an optional array is none.
func plainArray<Value>(_ value: Value) -> (any PlainArray)? {
  // The size first: most values are told apart by that, which costs nothing.
  guard MemoryLayout<Value>.size == MemoryLayout<UnsafeRawPointer>.size, Value.self is any PlainArray.Type else {
    return nil
  }
  return value as? any PlainArray
}

extension Array: PlainArray {
  static var plainStride: Int? {
    _isPOD(Element.self) && MemoryLayout<Element>.alignment <= ArrayHeader.largestAlignment
      ? MemoryLayout<Element>.stride : nil
  }

  var plainByteCount: Int { count * MemoryLayout<Element>.stride }

  func copyPlainBytes(to memory: UnsafeMutableRawBufferPointer) {
    withUnsafeBytes { memory.copyMemory(from: $0) }
  }

  init(copying memory: UnsafeRawBufferPointer) {
    let count = memory.count / MemoryLayout<Element>.stride
    self = [Element](unsafeUninitializedCapacity: count) { elements, filled in
      UnsafeMutableRawBufferPointer(elements).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: memory[..<(count * MemoryLayout<Element>.stride)]))
      filled = count
    }
  }

  static var isOfNumbers: Bool { Numbers.include(Element.self) }

  init(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
    let count = byteCount / MemoryLayout<Element>.stride
    guard count * MemoryLayout<Element>.stride == byteCount else { throw FrameReader.Malformed() }
    self = try [Element](unsafeUninitializedCapacity: count) { elements, filled in
      let room = UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: elements[..<count]))
      HugePages.advise(room)
      try fill(room)
      filled = count
    }
  }

  static func lent(by memory: LentMemory, byteCount: Int) -> (array: [Element], holder: AnyObject)? {
    guard ArrayHeader.isAsKnown else { return nil }
    // Not empty: an empty one has no storage of its class.
    var sample = [Element]()
    sample.reserveCapacity(1)
    let count = byteCount / MemoryLayout<Element>.stride
    let holder = withExtendedLifetime(sample) {
      ArrayHeader.make(at: memory.header, like: unsafeBitCast(sample, to: UnsafeRawPointer.self), count: count)
    }
    guard let holder else { return nil }
    return (unsafeBitCast(holder, to: [Element].self), holder)
  }
}

/// What stands before the elements of an array: an object's head, the count, and the capacity.
///
/// An argument of 100 MB is not copied a second time: its array begins in memory of the worker's own, and its elements,
/// on the next page, are the pool's. Where a Swift runtime lays arrays out in another way, arguments are copied.
enum ArrayHeader {
  static let byteCount = 32
  static let largestAlignment = 16

  /// Whether an array of this runtime looks as it did when this was written.
  static let isAsKnown: Bool = {
    var array: [UInt64] = [7, 8, 9]
    array.reserveCapacity(100)
    guard MemoryLayout<[UInt64]>.size == MemoryLayout<UnsafeRawPointer>.size else { return false }
    return array.withUnsafeBytes { elements in
      guard let start = elements.baseAddress else { return false }
      let object = unsafeBitCast(array, to: UnsafeRawPointer.self)
      return start - object == byteCount && object.load(fromByteOffset: 16, as: Int.self) == array.count
        && object.load(fromByteOffset: 24, as: UInt.self) == UInt(array.capacity) << 1
    }
  }()

  /// - Parameter sample: an array's object of the class that is wanted.
  static func make(at header: UnsafeMutableRawPointer, like sample: UnsafeRawPointer, count: Int) -> AnyObject? {
    // An object that the runtime does not free: what it does for arrays that the compiler puts on the stack.
    guard let object = cw_init_stack_object(sample.load(as: UnsafeRawPointer.self), header) else { return nil }
    object.storeBytes(of: count, toByteOffset: 16, as: Int.self)
    object.storeBytes(of: UInt(count) << 1, toByteOffset: 24, as: UInt.self)
    return Unmanaged<AnyObject>.fromOpaque(object).takeRetainedValue()
  }
}
