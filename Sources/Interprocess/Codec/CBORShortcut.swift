/// How a type is written and read without asking its `Codable` conformance.
final class CBORShortcut<Value>: Sendable {
  let write: @Sendable (Value, CBORBuffer) -> Void
  let read: @Sendable (CBORReader, inout Int) throws(CBORFault) -> Value

  init(
    write: @escaping @Sendable (Value, CBORBuffer) -> Void,
    read: @escaping @Sendable (CBORReader, inout Int) throws(CBORFault) -> Value
  ) {
    self.write = write
    self.read = read
  }
}

/// The shortcuts by type: generic code looks here first, for every value, so a look takes a nanosecond or two.
struct CBORShortcuts: Sendable {
  static let shared = CBORShortcuts()

  private struct Slot: Sendable {
    let type: ObjectIdentifier
    let shortcut: any AnyObject & Sendable
  }

  /// Open addressing; 256 slots for 45 types.
  private var slots = [Slot?](repeating: nil, count: 256)

  private init() {
    add(Bool.self)
    add(String.self)
    add(Int128.self)
    add(UInt128.self)
    addNumber(Int8.self)
    addNumber(Int16.self)
    addNumber(Int32.self)
    addNumber(Int64.self)
    addNumber(Int.self)
    addNumber(UInt8.self)
    addNumber(UInt16.self)
    addNumber(UInt32.self)
    addNumber(UInt64.self)
    addNumber(UInt.self)
    addNumber(Float16.self)
    addNumber(Float.self)
    addNumber(Double.self)
    addPlainArray(of: Bool.self)
    addPlainArray(of: String.self)
    addFoundation()
  }

  /// The shortcut of a type, which the type itself vouches for.
  @inline(__always)
  func find<Value>(_ type: Value.Type) -> CBORShortcut<Value>? {
    let identifier = ObjectIdentifier(type)
    var index = Self.hash(identifier)
    while let slot = slots[index & 255] {
      if slot.type == identifier { return unsafeDowncast(slot.shortcut, to: CBORShortcut<Value>.self) }
      index += 1
    }
    return nil
  }

  private mutating func set<Value>(_ shortcut: CBORShortcut<Value>) {
    let identifier = ObjectIdentifier(Value.self)
    var index = Self.hash(identifier)
    while slots[index & 255] != nil { index += 1 }
    slots[index & 255] = Slot(type: identifier, shortcut: shortcut)
  }

  /// Metadata lies at addresses that are multiples of 8.
  @inline(__always)
  private static func hash(_ identifier: ObjectIdentifier) -> Int {
    Int(truncatingIfNeeded: UInt(bitPattern: identifier) &* 0x9e37_79b9_7f4a_7c15 >> 56)
  }
}

extension CBORShortcuts {
  mutating func add<Value>(
    write: @escaping @Sendable (Value, CBORBuffer) -> Void,
    read: @escaping @Sendable (CBORReader, inout Int) throws(CBORFault) -> Value
  ) {
    set(CBORShortcut(write: write, read: read))
  }

  private mutating func add<Scalar: CBORScalar & SendableMetatype>(_: Scalar.Type) {
    @Sendable func write(value: Scalar, buffer: CBORBuffer) { value.write(to: buffer) }
    @Sendable func read(reader: CBORReader, position: inout Int) throws(CBORFault) -> Scalar {
      try Scalar.read(reader, at: &position)
    }
    add(write: write, read: read)
  }

  private mutating func addPlainArray<Scalar: CBORScalar & SendableMetatype>(of _: Scalar.Type) {
    @Sendable func write(elements: [Scalar], buffer: CBORBuffer) { elements.writePlain(to: buffer) }
    @Sendable func read(reader: CBORReader, position: inout Int) throws(CBORFault) -> [Scalar] {
      try [Scalar].readPlain(reader, at: &position)
    }
    add(write: write, read: read)
  }

  private mutating func addNumber<Number: CBORTypedElement & SendableMetatype>(_: Number.Type) {
    add(Number.self)
    addTyped([Number].self)
    addTyped(ContiguousArray<Number>.self)
  }

  private mutating func addTyped<Elements: CBORTypedElements & SendableMetatype>(_: Elements.Type) {
    @Sendable func write(elements: Elements, buffer: CBORBuffer) { elements.write(to: buffer) }
    @Sendable func read(reader: CBORReader, position: inout Int) throws(CBORFault) -> Elements {
      Elements(try [Elements.Element].readTyped(reader, at: &position))
    }
    add(write: write, read: read)
  }
}
