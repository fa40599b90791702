/// Reads a map.
struct KeyedReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let scope: DecodingScope

  var codingPath: [any CodingKey] { scope.codingPath }
  var allKeys: [Key] { scope.map.allKeys(Key.self, scope.reader) }

  func contains(_ key: Key) -> Bool {
    // Input that is broken behind the keys that are there is reported when the value is over.
    ((try? scope.map.find(key, scope.reader)) ?? nil) != nil
  }

  func decodeNil(forKey key: Key) throws -> Bool {
    let index = try index(of: key, Never?.self)
    do {
      return try scope.reader.isNull(at: scope.map.value(index))
    } catch {
      throw scope.failure(error, Never?.self, .key(key))
    }
  }

  /// All the overloads for `Bool`, `String`, `Double`, `Int` ... at once.
  func decode<Scalar: CBORScalar>(_ type: Scalar.Type, forKey key: Key) throws -> Scalar { try read(type, key) }
  // The standard library has an implementation for these two, which only throws.
  func decode(_ type: Int128.Type, forKey key: Key) throws -> Int128 { try read(type, key) }
  func decode(_ type: UInt128.Type, forKey key: Key) throws -> UInt128 { try read(type, key) }

  @inline(__always)
  private func read<Scalar: CBORScalar>(_ type: Scalar.Type, _ key: Key) throws -> Scalar {
    let index = try index(of: key, type)
    var position = scope.map.value(index)
    let value = try scope.read(type, from: scope.reader, at: &position, .key(key))
    scope.map.setEnd(index, position)
    return value
  }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    let index = try index(of: key, type)
    var position = scope.map.value(index)
    let value = try scope.decode(type, from: scope.reader, at: &position, .key(key), depth: scope.depth + 1)
    scope.map.setEnd(index, position)
    return value
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try nestedScope(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try nestedScope(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder { try nestedScope(CBORSuperKey.super) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try nestedScope(key) }

  private func nestedScope<NestedKey: CodingKey>(_ key: NestedKey) throws -> DecodingScope {
    let index = try index(of: key, (any Decoder).self)
    return scope.makeScope(scope.reader, at: scope.map.value(index), .key(key), depth: scope.depth + 1)
  }

  @inline(__always)
  private func index<AnyKey: CodingKey>(of key: AnyKey, _ type: Any.Type) throws -> Int {
    do {
      if let index = try scope.map.find(key, scope.reader) { return index }
    } catch {
      throw scope.failure(error, type, .key(key))
    }
    let context = DecodingError.Context(codingPath: codingPath, debugDescription: "no value for key \(key)")
    throw DecodingError.keyNotFound(key, context)
  }
}

/// Reads an array.
struct UnkeyedReader: UnkeyedDecodingContainer {
  let scope: DecodingScope
  /// Not the scope's where the array was a typed one.
  let reader: CBORReader

  var codingPath: [any CodingKey] { scope.codingPath }
  var currentIndex: Int { elements.index }
  var count: Int? { elements.isIndefinite ? nil : elements.index + elements.remaining }

  /// Where reading the next one fails, there is a next one: so that the failure is seen.
  var isAtEnd: Bool {
    var elements = elements
    return (try? elements.isAtEnd(reader)) ?? false
  }

  private var elements: CBORElements {
    // Opened before this was made.
    scope.elements ?? CBORElements(position: 0, remaining: 0, isIndefinite: false, isMap: false)
  }

  mutating func decodeNil() throws -> Bool {
    var elements = try next(Never?.self)
    do {
      guard try reader.isNull(at: elements.position) else { return false }
      elements.position = try reader.skip(elements.position, depth: scope.depth + 1)
    } catch {
      throw scope.failure(error, Never?.self, .index(elements.index))
    }
    elements.advance()
    scope.elements = elements
    return true
  }

  mutating func decode<Scalar: CBORScalar>(_ type: Scalar.Type) throws -> Scalar { try read(type) }
  mutating func decode(_ type: Int128.Type) throws -> Int128 { try read(type) }
  mutating func decode(_ type: UInt128.Type) throws -> UInt128 { try read(type) }

  @inline(__always)
  private func read<Scalar: CBORScalar>(_ type: Scalar.Type) throws -> Scalar {
    var elements = try next(type)
    let value = try scope.read(type, from: reader, at: &elements.position, .index(elements.index))
    elements.advance()
    scope.elements = elements
    return value
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    var elements = try next(type)
    let value = try scope.decode(
      type, from: reader, at: &elements.position, .index(elements.index), depth: scope.depth + 1)
    elements.advance()
    scope.elements = elements
    return value
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try nested([String: Any].self) { try $0.container(keyedBy: type) }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try nested([Any].self) { try $0.unkeyedContainer() }
  }

  mutating func superDecoder() throws -> any Decoder {
    try nested((any Decoder).self) { $0 }
  }

  /// Lets `body` open the next element, and goes behind it.
  private func nested<Result>(_ type: Any.Type, _ body: (DecodingScope) throws -> Result) throws -> Result {
    var elements = try next(type)
    let child = scope.makeScope(reader, at: elements.position, .index(elements.index), depth: scope.depth + 1)
    let result = try body(child)
    do {
      elements.position = try reader.skip(elements.position, depth: scope.depth + 1)
    } catch {
      throw scope.failure(error, type, .index(elements.index))
    }
    elements.advance()
    scope.elements = elements
    return result
  }

  @inline(__always)
  private func next(_ type: Any.Type) throws -> CBORElements {
    var elements = elements
    do {
      if try !elements.isAtEnd(reader) { return elements }
    } catch {
      throw scope.failure(error, type, .index(elements.index))
    }
    let path = codingPath + [CBORIndexKey(elements.index)]
    let context = DecodingError.Context(codingPath: path, debugDescription: "the array has no more elements")
    throw DecodingError.valueNotFound(type, context)
  }
}

/// Reads one item.
struct SingleReader: SingleValueDecodingContainer {
  let scope: DecodingScope

  var codingPath: [any CodingKey] { scope.codingPath }

  func decodeNil() -> Bool { (try? scope.reader.isNull(at: scope.position)) ?? false }

  func decode<Scalar: CBORScalar>(_ type: Scalar.Type) throws -> Scalar { try read(type) }
  func decode(_ type: Int128.Type) throws -> Int128 { try read(type) }
  func decode(_ type: UInt128.Type) throws -> UInt128 { try read(type) }

  @inline(__always)
  private func read<Scalar: CBORScalar>(_ type: Scalar.Type) throws -> Scalar {
    var position = scope.position
    let value = try scope.read(type, from: scope.reader, at: &position, .none)
    scope.finishSingle(at: position)
    return value
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    var position = scope.position
    let value = try scope.decode(type, at: &position, .none)
    scope.finishSingle(at: position)
    return value
  }
}
