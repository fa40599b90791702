import Interprocess

/// Elements of a chunk that are numbers of fixed width: they lie in a frame as they do in memory, for all bytes of that
/// size are one, whoever sent them, and the other process runs the same program.
enum Numbers {
  /// Whether a type is one of them.
  static func include(_ type: any Any.Type) -> Bool {
    type == Int.self || type == Double.self || type == UInt64.self || type == Int64.self || type == UInt8.self
      || type == Float.self || type == Int32.self || type == UInt32.self || type == UInt.self || type == Int16.self
      || type == UInt16.self || type == Int8.self
  }

  /// Whether a function is of numbers alone.
  static func include<Function: WorkerFunction>(bothOf _: Function.Type) -> Bool {
    include(Function.Input.self) && include(Function.Output.self)
  }

  static func append<Element>(_ elements: ArraySlice<Element>, to frame: inout [UInt8]) {
    elements.withUnsafeBytes { frame.append(contentsOf: $0) }
  }

  static func append<Element>(_ elements: [Element], to frame: inout [UInt8]) {
    elements.withUnsafeBytes { frame.append(contentsOf: $0) }
  }

  static func append<Element>(_ element: Element, to frame: inout [UInt8]) {
    // None is larger than this word, of which the compiler knows the type: the element's would be looked up at run time.
    var bits: UInt64 = 0
    withUnsafeMutableBytes(of: &bits) {
      // Not the closure's value: its type too would be looked up.
      _ = $0.baseAddress.unsafelyUnwrapped.initializeMemory(as: Element.self, to: element)
    }
    append(bits: bits, count: MemoryLayout<Element>.size, to: &frame)
  }

  /// Appends the first bytes of a word.
  // Neither this nor the reading is for a generic function to take in: types that are the same each time would be looked up.
  @inline(never)
  static func append(bits: UInt64, count: Int, to frame: inout [UInt8]) {
    withUnsafeBytes(of: bits) { frame.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }

  static func readOne<Element>(_: Element.Type, _ bytes: RawSpan) throws(FrameReader.Malformed) -> Element {
    // As in append(_:to:): `loadUnaligned` would take longer than the rest.
    let bits = try readBits(bytes, count: MemoryLayout<Element>.size)
    return withUnsafeBytes(of: bits) { $0.load(as: Element.self) }
  }

  /// Reads so many bytes, and no more may be there, into the first of a word.
  @inline(never)
  static func readBits(_ bytes: RawSpan, count: Int) throws(FrameReader.Malformed) -> UInt64 {
    var bits: UInt64 = 0
    guard bytes.byteCount == count, count <= MemoryLayout.size(ofValue: bits) else { throw FrameReader.Malformed() }
    withUnsafeMutableBytes(of: &bits) { bits in bytes.withUnsafeBytes { bits.copyMemory(from: $0) } }
    return bits
  }

  static func read<Element>(_: Element.Type, _ bytes: RawSpan) throws(FrameReader.Malformed) -> [Element] {
    guard bytes.byteCount % MemoryLayout<Element>.stride == 0 else { throw FrameReader.Malformed() }
    return bytes.withUnsafeBytes { [Element](copying: $0) }
  }
}
