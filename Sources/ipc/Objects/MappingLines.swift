import CInterprocess

/// The lines of `/proc/PID/maps` that are of files and System V segments.
///
/// There are many, so their bytes are looked at in place.
struct MappingLines: Sequence, IteratorProtocol {
  struct Mapping {
    let file: FileIdentity
    /// The number of the System V segment that it is.
    let segment: CInt?
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  mutating func next() -> Mapping? {
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      let line = rest[..<end]
      rest = rest[end...].dropFirst()
      if let mapping = Self.parse(line) { return mapping }
    }
    return nil
  }

  /// `7f55dbc9c000-7f55dbc9d000 rw-s 00000000 00:01 2                          /SYSV00001234 (deleted)`
  private static func parse(_ line: ArraySlice<UInt8>) -> Mapping? {
    var fields = line
    for _ in 0..<3 { _ = fields.takeWord() }
    let device = fields.takeWord()
    guard let inode = fields.takeWord().number(radix: 10), inode != 0,
      let colon = device.firstIndex(of: UInt8(ascii: ":")),
      let major = device[..<colon].number(radix: 16), let minor = device[(colon + 1)...].number(radix: 16)
    else { return nil }
    let path = fields.drop { $0 == UInt8(ascii: " ") }
    // The kernel names a segment's file so, and gives it the segment's number as inode.
    let isSegment = path.starts(with: "/SYSV".utf8) && path.suffix(10).elementsEqual(" (deleted)".utf8)
    let identity = FileIdentity(
      device: UInt(gnu_dev_makedev(CUnsignedInt(truncatingIfNeeded: major), CUnsignedInt(truncatingIfNeeded: minor))),
      inode: inode)
    return Mapping(file: identity, segment: isSegment ? CInt(exactly: inode) : nil)
  }
}

extension ArraySlice<UInt8> {
  fileprivate mutating func takeWord() -> ArraySlice<UInt8> {
    let start = drop { $0 == UInt8(ascii: " ") }
    let word = start.prefix { $0 != UInt8(ascii: " ") }
    self = self[word.endIndex...]
    return word
  }

  fileprivate func number(radix: Int) -> UInt? {
    UInt(String(decoding: self, as: UTF8.self), radix: radix)
  }
}
