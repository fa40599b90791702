/// What the tag of a typed array says of its elements (RFC 8746, section 2.1).
struct CBORTypedArray: Equatable {
  /// From 64 to 87: `0b010_fsell`, floating or not, signed or not, little-endian or not, and the width's logarithm.
  let tag: UInt64

  private static let floating: UInt64 = 16
  private static let signed: UInt64 = 8
  private static let little: UInt64 = 4

  static let bytes = CBORTypedArray(uncheckedTag: 64)

  private init(uncheckedTag tag: UInt64) { self.tag = tag }

  /// - Returns: `nil` where the tag is none of a typed array, or the reserved one.
  init?(tag: UInt64) {
    guard (64...87).contains(tag), tag != 76 else { return nil }
    self.init(uncheckedTag: tag)
  }

  /// The array that memory of this machine is.
  init(width: Int, isSigned: Bool, isFloating: Bool) {
    let isLittle = 1.littleEndian == 1 && width > 1
    let logarithm = UInt64(width.trailingZeroBitCount)
    let bits = isFloating ? Self.floating | (logarithm - 1) : (isSigned ? Self.signed : 0) | logarithm
    self.init(uncheckedTag: 64 | bits | (isLittle ? Self.little : 0))
  }

  var isFloating: Bool { tag & Self.floating != 0 }
  var isSigned: Bool { tag & Self.signed != 0 }
  var isLittleEndian: Bool { tag & Self.little != 0 }
  /// Bytes an element.
  var width: Int { (isFloating ? 2 : 1) << Int(tag & 3) }
}

extension CBORTypedArray {
  /// Writes the elements as a plain array, for whoever looks at them one by one or wants another type.
  ///
  /// - Returns: `false` where the elements have a type that Swift lacks (128-bit floating point).
  func transcode(_ elements: UnsafeRawBufferPointer, to buffer: CBORBuffer) -> Bool {
    buffer.appendHead(CBORMajor.array, UInt64(elements.count / width))
    if isFloating {
      switch width {
      case 2: each(UInt16.self, of: elements) { buffer.append(CBORByte.half, $0) }
      case 4: each(UInt32.self, of: elements) { buffer.append(CBORByte.single, $0) }
      case 8: each(UInt64.self, of: elements) { buffer.append(CBORByte.double, $0) }
      default: return false
      }
    } else if isSigned {
      switch width {
      case 1: each(UInt8.self, of: elements) { Int8(bitPattern: $0).write(to: buffer) }
      case 2: each(UInt16.self, of: elements) { Int16(bitPattern: $0).write(to: buffer) }
      case 4: each(UInt32.self, of: elements) { Int32(bitPattern: $0).write(to: buffer) }
      default: each(UInt64.self, of: elements) { Int64(bitPattern: $0).write(to: buffer) }
      }
    } else {
      switch width {
      case 1: each(UInt8.self, of: elements) { $0.write(to: buffer) }
      case 2: each(UInt16.self, of: elements) { $0.write(to: buffer) }
      case 4: each(UInt32.self, of: elements) { $0.write(to: buffer) }
      default: each(UInt64.self, of: elements) { $0.write(to: buffer) }
      }
    }
    return true
  }

  @inline(__always)
  private func each<Bits: FixedWidthInteger & BitwiseCopyable>(
    _: Bits.Type, of elements: UnsafeRawBufferPointer, _ body: (Bits) -> Void
  ) {
    for offset in stride(from: 0, to: elements.count, by: MemoryLayout<Bits>.size) {
      let bits = elements.loadUnaligned(fromByteOffset: offset, as: Bits.self)
      body(isLittleEndian ? Bits(littleEndian: bits) : Bits(bigEndian: bits))
    }
  }
}

/// A number of fixed width: arrays of it travel as they lie in memory.
protocol CBORTypedElement: CBORScalar, BitwiseCopyable {
  static var typedArray: CBORTypedArray { get }
}

extension CBORTypedElement where Self: FixedWidthInteger {
  static var typedArray: CBORTypedArray {
    CBORTypedArray(width: MemoryLayout<Self>.size, isSigned: isSigned, isFloating: false)
  }
}

extension CBORTypedElement where Self: BinaryFloatingPoint {
  static var typedArray: CBORTypedArray {
    CBORTypedArray(width: MemoryLayout<Self>.size, isSigned: false, isFloating: true)
  }
}

extension Int8: CBORTypedElement {}
extension Int16: CBORTypedElement {}
extension Int32: CBORTypedElement {}
extension Int64: CBORTypedElement {}
extension Int: CBORTypedElement {}
extension UInt8: CBORTypedElement {}
extension UInt16: CBORTypedElement {}
extension UInt32: CBORTypedElement {}
extension UInt64: CBORTypedElement {}
extension UInt: CBORTypedElement {}
extension Float16: CBORTypedElement {}
extension Float: CBORTypedElement {}
extension Double: CBORTypedElement {}
