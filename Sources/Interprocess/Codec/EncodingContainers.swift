/// Writes a map.
struct KeyedWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let scope: EncodingScope
  let usesOnlyText: Bool

  var codingPath: [any CodingKey] { scope.codingPath }

  mutating func encodeNil(forKey key: Key) throws {
    try scope.check(Int?.none as Any, .key(key))
    scope.writeKey(key, usesOnlyText: usesOnlyText)
    scope.buffer.append(CBORByte.null)
  }

  /// All the overloads for `Bool`, `String`, `Double`, `Int` ... at once.
  mutating func encode<Scalar: CBORScalar>(_ value: Scalar, forKey key: Key) throws { try write(value, key) }
  // The standard library has an implementation for these two, which only throws.
  mutating func encode(_ value: Int128, forKey key: Key) throws { try write(value, key) }
  mutating func encode(_ value: UInt128, forKey key: Key) throws { try write(value, key) }

  @inline(__always)
  private func write<Scalar: CBORScalar>(_ value: Scalar, _ key: Key) throws {
    try scope.check(value, .key(key))
    scope.writeKey(key, usesOnlyText: usesOnlyText)
    scope.write(value)
  }

  mutating func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
    try scope.check(value, .key(key))
    let position = scope.buffer.count
    scope.writeKey(key, usesOnlyText: usesOnlyText)
    do {
      try scope.encode(value, .key(key))
    } catch {
      scope.takeBack(to: position)
      throw error
    }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    nestedScope(key).container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    nestedScope(key).unkeyedContainer()
  }

  mutating func superEncoder() -> any Encoder { nestedScope(CBORSuperKey.super) }
  mutating func superEncoder(forKey key: Key) -> any Encoder { nestedScope(key) }

  private func nestedScope<NestedKey: CodingKey>(_ key: NestedKey) -> EncodingScope {
    if scope.isOpen { scope.writeKey(key, usesOnlyText: usesOnlyText) }
    return scope.makeDeferredScope(.key(key))
  }
}

/// Writes an array.
struct UnkeyedWriter: UnkeyedEncodingContainer {
  let scope: EncodingScope

  var codingPath: [any CodingKey] { scope.codingPath }
  var count: Int { scope.count }

  mutating func encodeNil() throws {
    try scope.check(Int?.none as Any, .index(scope.count))
    scope.buffer.append(CBORByte.null)
    scope.countElement()
  }

  mutating func encode<Scalar: CBORScalar>(_ value: Scalar) throws { try write(value) }
  mutating func encode(_ value: Int128) throws { try write(value) }
  mutating func encode(_ value: UInt128) throws { try write(value) }

  @inline(__always)
  private func write<Scalar: CBORScalar>(_ value: Scalar) throws {
    try scope.check(value, .index(scope.count))
    scope.write(value)
    scope.countElement()
  }

  mutating func encode<Value: Encodable>(_ value: Value) throws {
    let index = scope.count
    try scope.check(value, .index(index))
    let position = scope.buffer.count
    scope.countElement()
    do {
      try scope.encode(value, .index(index))
    } catch {
      scope.takeBack(to: position)
      throw error
    }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> {
    nestedScope().container(keyedBy: keyType)
  }

  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nestedScope().unkeyedContainer() }
  mutating func superEncoder() -> any Encoder { nestedScope() }

  private func nestedScope() -> EncodingScope {
    let child = scope.makeDeferredScope(.index(scope.count))
    if scope.isOpen { scope.countElement() }
    return child
  }
}

/// Writes one item.
struct SingleWriter: SingleValueEncodingContainer {
  let scope: EncodingScope

  var codingPath: [any CodingKey] { scope.codingPath }

  mutating func encodeNil() throws {
    try scope.beginSingle(Int?.none as Any)
    scope.buffer.append(CBORByte.null)
  }

  mutating func encode<Scalar: CBORScalar>(_ value: Scalar) throws { try write(value) }
  mutating func encode(_ value: Int128) throws { try write(value) }
  mutating func encode(_ value: UInt128) throws { try write(value) }

  @inline(__always)
  private func write<Scalar: CBORScalar>(_ value: Scalar) throws {
    try scope.beginSingle(value)
    scope.write(value)
  }

  mutating func encode<Value: Encodable>(_ value: Value) throws {
    try scope.beginSingle(value)
    let position = scope.buffer.count
    do {
      try scope.encode(value, .none)
    } catch {
      scope.takeBack(to: position)
      throw error
    }
  }
}
