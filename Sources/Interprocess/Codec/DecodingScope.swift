/// One value while it is decoded: the `Decoder` that its `init(from:)` gets, and what its containers read from.
///
/// Nothing is read in advance: fields and elements are read as they are asked for, which is mostly the order they come in,
/// and what nobody asked for is skipped, and checked, at the end.
final class DecodingScope {
  let reader: CBORReader
  @exclusivity(unchecked) private var parent: DecodingScope?
  @exclusivity(unchecked) private var key = CBORPathKey.none
  /// How many arrays and maps are around this value.
  @exclusivity(unchecked) private(set) var depth = 0
  /// Where the value is, tags included.
  @exclusivity(unchecked) private(set) var position = 0
  /// Where it is over, once that is known.
  @exclusivity(unchecked) private var end: Int?

  @exclusivity(unchecked) private(set) var hasMap = false
  /// The keys read so far, once the value was asked to be a map; kept when the scope is recycled.
  let map = MapIndex()
  /// How far the value was read as an array.
  @exclusivity(unchecked) var elements: CBORElements?
  /// What the elements are read from where they are no plain array here.
  @exclusivity(unchecked) private(set) var elementReader: CBORReader?

  init(_ reader: CBORReader) { self.reader = reader }

  /// A value in this one.
  func makeScope(_ reader: CBORReader, at position: Int, _ key: CBORPathKey, depth: Int) -> DecodingScope {
    let child = reader.freeScopes.popLast() ?? DecodingScope(reader)
    child.parent = self
    child.key = key
    child.depth = depth
    child.position = position
    return child
  }

  /// Takes a scope back, unless somebody kept it.
  func recycle(_ child: consuming DecodingScope) {
    // Another reader is never invalidated: it and the scopes it holds would keep each other alive.
    guard child.reader.isCallers, isKnownUniquelyReferenced(&child) else { return }
    child.parent = nil
    child.key = .none
    child.end = nil
    child.hasMap = false
    child.elements = nil
    child.elementReader = nil
    child.reader.freeScopes.append(child)
  }

  var codingPath: [any CodingKey] {
    var path = parent?.codingPath ?? []
    key.append(to: &path)
    return path
  }

  @inline(never)
  func failure(_ fault: CBORFault, _ type: Any.Type, _ key: CBORPathKey = .none) -> DecodingError {
    var path = codingPath
    key.append(to: &path)
    return fault.at(reader.place(fault.offset)).decodingError(type, path)
  }
}

// MARK: - Opening

extension DecodingScope: Decoder {
  var userInfo: [CodingUserInfoKey: Any] { reader.userInfo }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    if !hasMap {
      do {
        map.open(try open(CBORMajor.map), depth: depth + 1)
      } catch {
        throw failure(error, [String: Any].self)
      }
      hasMap = true
    }
    return KeyedDecodingContainer(KeyedReader(scope: self))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    // Whoever asks a second time starts from the beginning again.
    let scope = elements == nil ? self : makeScope(reader, at: position, .none, depth: depth)
    do {
      try scope.openElements()
    } catch {
      throw failure(error, [Any].self)
    }
    return UnkeyedReader(scope: scope, reader: scope.elementReader ?? reader)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { SingleReader(scope: self) }

  private func open(_ major: UInt8) throws(CBORFault) -> CBORElements {
    let elements = try reader.elements(major, at: position)
    guard depth < reader.limits.maximumDepth else { throw .tooDeep(reader.limits, at: position) }
    return elements
  }

  private func openElements() throws(CBORFault) {
    guard let (type, content, _) = try reader.typedArray(at: position) else {
      elements = try open(CBORMajor.array)
      return
    }
    var end = content
    let plain = try reader.transcoded(type, try reader.bytes(at: &end), from: content)
    elements = try plain.elements(at: 0)
    elementReader = plain
    self.end = end
  }
}

// MARK: - Reading

extension DecodingScope {
  /// Reads a value of any type from `position`, which moves behind it.
  @inline(__always)
  func decode<Value: Decodable>(
    _ type: Value.Type, at position: inout Int, _ key: @autoclosure () -> CBORPathKey
  ) throws -> Value {
    try decode(type, from: reader, at: &position, key(), depth: depth)
  }

  func decode<Value: Decodable>(
    _ type: Value.Type, from reader: CBORReader, at position: inout Int, _ key: @autoclosure () -> CBORPathKey,
    depth: Int
  ) throws -> Value {
    if let shortcut = reader.shortcuts.find(type) {
      do {
        return try shortcut.read(reader, &position)
      } catch {
        throw failure(error, type, key())
      }
    }
    // So that no type finds a place where there is nothing.
    if position >= reader.count { throw failure(.truncated(at: position), type, key()) }
    let child = makeScope(reader, at: position, key(), depth: depth)
    let value = try Value(from: child)
    do {
      position = try child.finish()
    } catch {
      throw failure(error, type, key())
    }
    recycle(child)
    return value
  }

  @inline(__always)
  func read<Scalar: CBORScalar>(
    _ type: Scalar.Type, from reader: CBORReader, at position: inout Int, _ key: @autoclosure () -> CBORPathKey
  ) throws -> Scalar {
    do {
      return try Scalar.read(reader, at: &position)
    } catch {
      throw failure(error, type, key())
    }
  }

  /// The only value of a scope was read.
  func finishSingle(at position: Int) { end = position }

  /// - Returns: where the value is over, having checked what was not asked for.
  private func finish() throws(CBORFault) -> Int {
    if hasMap { return try map.finish(reader) }
    if let end { return end }
    if let elements { return try reader.skipRest(of: elements, depth: depth) }
    return try reader.skip(position, depth: depth)
  }
}
