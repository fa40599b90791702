/// The eight kinds of CBOR item, as they stand in the upper three bits of an item's first byte (RFC 8949, section 3.1).
enum CBORMajor {
  static let unsigned: UInt8 = 0 << 5
  static let negative: UInt8 = 1 << 5
  static let bytes: UInt8 = 2 << 5
  static let text: UInt8 = 3 << 5
  static let array: UInt8 = 4 << 5
  static let map: UInt8 = 5 << 5
  static let tag: UInt8 = 6 << 5
  static let simple: UInt8 = 7 << 5

  static let mask: UInt8 = 7 << 5
}

/// First bytes that say it all.
enum CBORByte {
  static let `false`: UInt8 = 0xf4
  static let `true`: UInt8 = 0xf5
  static let null: UInt8 = 0xf6
  static let undefined: UInt8 = 0xf7
  static let half: UInt8 = 0xf9
  static let single: UInt8 = 0xfa
  static let double: UInt8 = 0xfb
  static let `break`: UInt8 = 0xff
}

enum CBORTag {
  static let dateText: UInt64 = 0
  static let dateNumber: UInt64 = 1
  static let bignum: UInt64 = 2
  static let negativeBignum: UInt64 = 3
}

/// What an item begins with.
struct CBORHead {
  let first: UInt8
  /// A value, a length, a count or a tag; 0 where the length is indefinite.
  let argument: UInt64
  /// Where the head is over.
  let end: Int

  var major: UInt8 { first & CBORMajor.mask }
  var isIndefinite: Bool { first & 31 == 31 }

  /// What a person calls an item with such a head.
  var kind: String {
    switch major {
    case CBORMajor.unsigned, CBORMajor.negative: "an integer"
    case CBORMajor.bytes: "a byte string"
    case CBORMajor.text: "a text string"
    case CBORMajor.array: "an array"
    case CBORMajor.map: "a map"
    case CBORMajor.tag: "tag \(argument)"
    default:
      switch first {
      case CBORByte.false, CBORByte.true: "a Boolean"
      case CBORByte.null: "null"
      case CBORByte.undefined: "undefined"
      case CBORByte.half, CBORByte.single, CBORByte.double: "a floating-point number"
      default: "simple value \(argument)"
      }
    }
  }
}
