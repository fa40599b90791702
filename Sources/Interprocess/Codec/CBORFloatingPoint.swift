extension CBORScalar where Self: BinaryFloatingPoint {
  @inline(__always)
  static func read(_ reader: CBORReader, at position: inout Int) throws(CBORFault) -> Self {
    let head = try reader.head(at: position)
    switch head.first {
    case CBORByte.double:
      let number = Double(bitPattern: head.argument)
      let value = Self(number)
      // Rounded where it must be, but not to infinity.
      if number.isFinite && !value.isFinite { throw .doesNotFit("\(number)", Self.self, at: position) }
      position = head.end
      return value
    case CBORByte.single:
      let number = Float(bitPattern: UInt32(truncatingIfNeeded: head.argument))
      let value = Self(number)
      if number.isFinite && !value.isFinite { throw .doesNotFit("\(number)", Self.self, at: position) }
      position = head.end
      return value
    case CBORByte.half:
      position = head.end
      return Self(Float16(bitPattern: UInt16(truncatingIfNeeded: head.argument)))
    default: return try readUncommon(reader, head, at: &position)
    }
  }

  /// Integers are numbers too, where no digit is lost: other languages write 1.0 as 1.
  @inline(never)
  private static func readUncommon(
    _ reader: CBORReader, _ head: CBORHead, at position: inout Int
  ) throws(CBORFault) -> Self {
    var end = position
    switch head.major {
    case CBORMajor.unsigned, CBORMajor.negative: break
    case CBORMajor.tag where head.argument == CBORTag.bignum || head.argument == CBORTag.negativeBignum: break
    case CBORMajor.tag:
      position = try reader.skipTagsBeforeNumber(at: position)
      return try read(reader, at: &position)
    default: throw .mismatch(head, at: position)
    }
    // Nothing is above Int128 but bignums, and those of them that a Double holds exactly are no integers anybody wrote.
    let integer = try Int128.read(reader, at: &end)
    guard let value = Self(exactly: integer) else { throw .doesNotFit("\(integer)", Self.self, at: position) }
    position = end
    return value
  }
}

extension Double: CBORScalar {
  /// The shortest form that gives back the same number, as RFC 8949 prefers (section 4.1).
  @inline(__always)
  func write(to buffer: CBORBuffer) {
    let single = Float(self)
    if Double(single) == self {
      single.write(to: buffer)
    } else if isNaN && bitPattern & 0x7_ffff_ffff_ffff == 0 && !isSignalingNaN && sign == .plus {
      buffer.append(CBORByte.half, 0x7e00 as UInt16)
    } else {
      buffer.append(CBORByte.double, bitPattern)
    }
  }
}

extension Float: CBORScalar {
  @inline(__always)
  func write(to buffer: CBORBuffer) {
    if let half = halfBitPattern {
      buffer.append(CBORByte.half, half)
    } else {
      buffer.append(CBORByte.single, bitPattern)
    }
  }

  /// The same number in half precision, made of the bits: the machine that a program is built for by default has no
  /// instruction for it.
  private var halfBitPattern: UInt16? {
    let bits = bitPattern
    // Ten of the 23 bits of the fraction.
    guard bits & 0x1fff == 0 else { return nil }
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let exponent = Int(bits >> 23 & 0xff) - 127
    let fraction = bits & 0x7f_ffff
    switch exponent {
    case -14...15: return sign | UInt16(exponent + 15) << 10 | UInt16(truncatingIfNeeded: fraction >> 13)
    // Infinity, and the quiet NaNs whose payload is short enough.
    case 128: return sign | 0x7c00 | UInt16(truncatingIfNeeded: fraction >> 13)
    case -127: return fraction == 0 ? sign : nil
    // Subnormal in half precision: what is shifted out has to be zero.
    case -24 ..< -14:
      let significand = fraction | 0x80_0000
      let shift = UInt32(-1 - exponent)
      return significand & (1 << shift - 1) == 0 ? sign | UInt16(truncatingIfNeeded: significand >> shift) : nil
    default: return nil
    }
  }
}

extension Float16: CBORScalar {
  func write(to buffer: CBORBuffer) { buffer.append(CBORByte.half, bitPattern) }
}
