/// One value while it is encoded: the `Encoder` that its `encode(to:)` gets, and what its containers write to.
///
/// Values are written one behind the other into one buffer. A container's head stands before its elements are counted, so
/// it has a byte of its own that is replaced at the end. Only what `nestedContainer` and `superEncoder` return has a
/// buffer of its own until then: those may be written to in any order.
final class EncodingScope {
  enum Shape {
    case nothing, map, array, single
  }

  enum Condition {
    /// Ready to be written to.
    case open
    /// A value inside is being encoded.
    case busy
    /// The value is complete; whoever kept a container cannot change it any more.
    case finished
  }

  let state: EncodingState
  @exclusivity(unchecked) var buffer: CBORBuffer
  @exclusivity(unchecked) private var parent: EncodingScope?
  @exclusivity(unchecked) private var key = CBORPathKey.none
  /// How many arrays and maps are around this value.
  @exclusivity(unchecked) private var depth = 0
  /// The type being encoded, where there is one.
  @exclusivity(unchecked) private var type: Any.Type?

  @exclusivity(unchecked) private var shape = Shape.nothing
  @exclusivity(unchecked) private var condition = Condition.open
  /// Where the head is, in the buffer.
  @exclusivity(unchecked) private var start = 0
  @exclusivity(unchecked) private(set) var count = 0
  @exclusivity(unchecked) private var deferred: [(position: Int, scope: EncodingScope)] = []
  /// What went wrong in a call that cannot throw.
  @exclusivity(unchecked) private var fault: String?

  init(_ state: EncodingState, _ buffer: CBORBuffer) {
    self.state = state
    self.buffer = buffer
  }

  func reset() {
    parent = nil
    key = .none
    depth = 0
    type = nil
    shape = .nothing
    condition = .open
    count = 0
    if !deferred.isEmpty { deferred = [] }
    fault = nil
  }

  var codingPath: [any CodingKey] {
    var path = parent?.codingPath ?? []
    key.append(to: &path)
    return path
  }

  var isOpen: Bool { condition == .open }

  func failure(_ value: Any, _ reason: String, _ key: CBORPathKey = .none) -> EncodingError {
    var path = codingPath
    key.append(to: &path)
    return .invalidValue(value, EncodingError.Context(codingPath: path, debugDescription: reason))
  }
}

// MARK: - Opening

extension EncodingScope: Encoder {
  var userInfo: [CodingUserInfoKey: Any] { state.userInfo }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    open(.map)
    return KeyedEncodingContainer(KeyedWriter(scope: self, usesOnlyText: usesOnlyText(Key.self)))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    open(.array)
    return UnkeyedWriter(scope: self)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { SingleWriter(scope: self) }

  func open(_ shape: Shape) {
    if self.shape == .nothing {
      self.shape = shape
      start = buffer.count
      if shape != .single { buffer.append(0) }
      if shape != .single && depth >= state.maximumDepth { fault = "nested more than \(state.maximumDepth) deep" }
    } else if self.shape != shape {
      fault = "the value asked for containers of two kinds"
    }
  }

  /// The keys of a dictionary of strings look like integers where the strings do.
  private func usesOnlyText<Key: CodingKey>(_: Key.Type) -> Bool {
    guard ObjectIdentifier(Key.self) == DictionaryKeyProbe.keyType else { return false }
    return !(type is any IntegerKeyedDictionary.Type)
  }
}

// MARK: - Writing

extension EncodingScope {
  /// Writes what can be written at once.
  @inline(__always)
  func write<Scalar: CBORScalar>(_ value: Scalar) { value.write(to: buffer) }

  /// Throws where the scope does not expect a value.
  @inline(__always)
  func check(_ value: @autoclosure () -> Any, _ key: @autoclosure () -> CBORPathKey) throws {
    if condition != .open { throw misuse(value(), key()) }
  }

  @inline(never)
  private func misuse(_ value: Any, _ key: CBORPathKey) -> EncodingError {
    let reason = condition == .busy ? "another value of this container is being encoded" : "the container is complete"
    return failure(value, reason, key)
  }

  @inline(__always)
  func writeKey<Key: CodingKey>(_ key: Key, usesOnlyText: Bool) {
    if !usesOnlyText, let integer = key.intValue {
      integer.write(to: buffer)
    } else {
      buffer.appendText(key.stringValue)
    }
    count += 1
  }

  func countElement() { count += 1 }

  /// Makes room for the only value of a scope.
  func beginSingle(_ value: @autoclosure () -> Any) throws {
    try check(value(), .none)
    open(.single)
    if shape != .single || count > 0 { throw failure(value(), "a second value where one is expected") }
    count = 1
  }

  /// Writes a value of any type.
  func encode<Value: Encodable>(_ value: Value, _ key: @autoclosure () -> CBORPathKey) throws {
    if let shortcut = state.shortcuts.find(Value.self) { return shortcut.write(value, buffer) }
    let child = state.makeScope(buffer: buffer)
    child.enter(self, key(), Value.self)
    condition = .busy
    defer { condition = .open }
    try value.encode(to: child)
    try child.finish(value)
    state.recycle(child)
  }

  /// Takes back what an element that could not be encoded has left.
  func takeBack(to position: Int) {
    buffer.truncate(to: position)
    count -= 1
  }

  /// A scope that is written to on the side, and put here at the end.
  func makeDeferredScope(_ key: CBORPathKey) -> EncodingScope {
    let child = EncodingScope(state, CBORBuffer(capacity: 64))
    child.enter(self, key, nil)
    if condition == .open {
      if deferred.isEmpty { state.noteDeferred(of: self) }
      deferred.append((buffer.count, child))
    } else {
      child.condition = .finished
    }
    return child
  }

  private func enter(_ parent: EncodingScope, _ key: CBORPathKey, _ type: Any.Type?) {
    self.parent = parent
    self.key = key
    self.type = type
    depth = parent.depth + (parent.shape == .map || parent.shape == .array ? 1 : 0)
    start = buffer.count
  }
}

// MARK: - Closing

extension EncodingScope {
  private func finish(_ value: @autoclosure () -> Any) throws {
    condition = .finished
    if let fault { throw failure(value(), fault) }
    if !deferred.isEmpty { try placeDeferred() }
    switch shape {
    case .nothing: buffer.appendHead(CBORMajor.map, 0)
    case .single where count == 0: throw failure(value(), "asked for a single-value container and wrote nothing to it")
    case .single: break
    case .map: buffer.replaceByte(at: start, byHead: CBORMajor.map, UInt64(count))
    case .array: buffer.replaceByte(at: start, byHead: CBORMajor.array, UInt64(count))
    }
  }

  private func placeDeferred() throws {
    guard let first = deferred.first?.position else { return }
    let rest = buffer.split(at: first)
    var done = 0
    for (position, child) in deferred {
      buffer.append(rest, from: done, to: position - first)
      done = position - first
      try child.finish(child)
      buffer.append(child.buffer, from: 0, to: child.buffer.count)
    }
    buffer.append(rest, from: done, to: rest.count)
  }

  func forgetDeferred() { deferred = [] }
}
