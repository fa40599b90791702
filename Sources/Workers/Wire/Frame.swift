import Interprocess

/// A message between a pool and a worker: a byte that says what it is, the call's id as 8 bytes little-endian, and the
/// rest.
enum Frame {
  enum Kind: UInt8 {
    /// To the worker: a call of its actor. The rest is an ``Invocation``.
    case call = 1
    /// To the worker: elements for a ``WorkerFunction``. The rest is the type's name and an array of inputs.
    case function = 2
    /// To the worker: one element for a ``WorkerFunction`` of numbers. The rest is the type's name and a number, and that of
    /// the result a number.
    case element = 3

    /// From the worker: it can be called.
    case ready = 16
    /// From the worker: the call's result.
    case result = 17
    /// From the worker: the call threw. The rest is a ``WireError``.
    case error = 18
    /// From the worker: what the call reports while it runs.
    case report = 19
    /// From the worker: the call's result. The rest is the number of its descriptors, 8 bytes, and the result; they have
    /// come beside the channel.
    case sharedResult = 21
    /// From the worker: the call's result is a large array. The rest is the number of descriptors, which is 1, and how many
    /// bytes the array has, 8 bytes each; the descriptor, of the memory in which it lies, has come beside the channel.
    case lentResult = 22
    /// From the worker, before a call's result: it has stored an argument that lies in this block of the arena.
    case kept = 20

    /// To the worker.
    var isCall: Bool { self == .call || self == .function || self == .element }
  }

  static let headSize = 9

  /// The head of a frame, to append the rest to.
  // In a generic function the array's own type would be looked up each time.
  @inline(never)
  static func begin(_ kind: Kind, _ call: UInt64, capacity: Int = 64) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: headSize + capacity) { bytes, count in
      bytes[0] = kind.rawValue
      UnsafeMutableRawBufferPointer(bytes).storeBytes(of: call.littleEndian, toByteOffset: 1, as: UInt64.self)
      count = headSize
    }
  }

  /// Makes a result one with descriptors.
  static func share(_ result: inout [UInt8], _ count: Int) {
    result[0] = Kind.sharedResult.rawValue
    result.insert(contentsOf: [UInt8](repeating: 0, count: 8), at: headSize)
    result.withUnsafeMutableBytes {
      $0.storeBytes(of: UInt64(count).littleEndian, toByteOffset: headSize, as: UInt64.self)
    }
  }

  /// A result that lies in memory of the worker's.
  static func lentResult(_ call: UInt64, byteCount: Int) -> [UInt8] {
    var frame = begin(.lentResult, call)
    frame.append(littleEndian: 1)
    frame.append(littleEndian: UInt64(byteCount))
    return frame
  }

  /// What a frame's head says.
  ///
  /// - Returns: `nil` when these bytes are no frame.
  static func head(of bytes: [UInt8]) -> (kind: Kind, call: UInt64)? {
    guard bytes.count >= headSize, let kind = Kind(rawValue: bytes[0]) else { return nil }
    return (kind, bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 1, as: UInt64.self)) })
  }
}

/// Reads the parts of a frame one after another; each part that is not there throws.
struct FrameReader {
  /// The frame ends before its parts do, or says what it cannot mean.
  struct Malformed: Error, CustomStringConvertible {
    var description: String { "the other side sent what is no message of a worker pool" }
  }

  let bytes: [UInt8]
  private(set) var position: Int

  init(_ bytes: [UInt8], from position: Int = Frame.headSize) {
    self.bytes = bytes
    self.position = position
  }

  var isAtEnd: Bool { position >= bytes.count }

  /// Goes past `count` bytes.
  ///
  /// - Returns: where they began.
  mutating func skip(_ count: Int) -> Int {
    defer { position += count }
    return position
  }

  mutating func number() throws(Malformed) -> UInt64 {
    guard bytes.count - position >= 8 else { throw Malformed() }
    defer { position += 8 }
    return bytes.withUnsafeBytes { [position] in
      UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
  }

  /// The range of a part that its length stands before.
  mutating func part() throws(Malformed) -> Range<Int> {
    let count = try number()
    guard count <= UInt64(bytes.count - position) else { throw Malformed() }
    defer { position += Int(count) }
    return position..<(position + Int(count))
  }

  mutating func text() throws(Malformed) -> String { String(decoding: bytes[try part()], as: UTF8.self) }

  /// Decodes a part.
  mutating func value<Value: Decodable>(_: Value.Type, _ arrived: ArrivedDescriptors? = nil) throws -> Value {
    let range = try part()
    return try CBORDecoder(arrived).decode(Value.self, from: bytes.span.bytes.extracting(range))
  }

  /// All that is left.
  var restBytes: RawSpan {
    @_lifetime(borrow self)
    borrowing get { bytes.span.bytes.extracting(position..<bytes.count) }
  }

  /// Decodes all that is left.
  func rest<Value: Decodable>(_: Value.Type, _ arrived: ArrivedDescriptors? = nil) throws -> Value {
    try CBORDecoder(arrived).decode(Value.self, from: bytes.span.bytes.extracting(position..<bytes.count))
  }
}

extension [UInt8] {
  mutating func append(littleEndian number: UInt64) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }

  mutating func append(part text: String) {
    append(littleEndian: UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }

  /// Appends a value, and before it how long it has become.
  ///
  /// - Parameter passed: takes the descriptors of shared arrays in it.
  mutating func append<Value: Encodable>(part value: Value, _ passed: PassedDescriptors? = nil) throws {
    let start = count
    append(littleEndian: 0)
    try CBOREncoder(passed).encode(value, into: &self)
    let length = UInt64(count - start - 8)
    withUnsafeMutableBytes { $0.storeBytes(of: length.littleEndian, toByteOffset: start, as: UInt64.self) }
  }
}

extension CBOREncoder {
  /// Passes the descriptors of shared arrays to `passed`.
  init(_ passed: PassedDescriptors?) {
    self.init()
    if let passed { lateUserInfo = (.passedDescriptors, passed) }
  }
}

extension CBORDecoder {
  /// Finds the descriptors of shared arrays in `arrived`.
  init(_ arrived: ArrivedDescriptors?) {
    self.init()
    if let arrived { lateUserInfo = (.arrivedDescriptors, arrived) }
  }
}
