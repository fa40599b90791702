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
    var word: UInt64 = 0
    withUnsafeMutableBytes(of: &word) { word in
      word.baseAddress.unsafelyUnwrapped.initializeMemory(as: Element.self, to: element)
      frame.append(contentsOf: UnsafeRawBufferPointer(rebasing: word[..<MemoryLayout<Element>.size]))
    }
  }

  static func readOne<Element>(_: Element.Type, _ bytes: RawSpan) throws(FrameReader.Malformed) -> Element {
    // As in append(_:to:): `loadUnaligned` would take longer than the rest.
    var word: UInt64 = 0
    guard bytes.byteCount == MemoryLayout<Element>.size, bytes.byteCount <= MemoryLayout.size(ofValue: word) else {
      throw FrameReader.Malformed()
    }
    return withUnsafeMutableBytes(of: &word) { word in
      bytes.withUnsafeBytes { word.copyMemory(from: $0) }
      return word.load(as: Element.self)
    }
  }

  static func read<Element>(_: Element.Type, _ bytes: RawSpan) throws(FrameReader.Malformed) -> [Element] {
    guard bytes.byteCount % MemoryLayout<Element>.stride == 0 else { throw FrameReader.Malformed() }
    return bytes.withUnsafeBytes { [Element](copying: $0) }
  }
}
