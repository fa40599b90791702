public import SystemPackage

extension Channel {
  /// Sends a value as CBOR, waiting while the other side has no room for it.
  ///
  /// - Parameters:
  ///   - value: a ``SharedArray`` in it travels by its descriptor.
  ///   - descriptors: passed along behind those of the value.
  ///   - timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: `EncodingError`, or what `encode(to:)` throws, before anything is sent; ``ChannelError`` as for bytes:
  ///   ``ChannelError/Code/notPossible`` where the mechanism cannot carry the value's descriptors.
  public func send<Value: Encodable>(
    encoding value: Value, passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) throws {
    let (message, passed) = try encoded(value)
    try withExtendedLifetime(passed) {
      try send(message, passing: passed.fileDescriptors + descriptors, timeout: timeout)
    }
  }

  /// Receives the next message as a value.
  ///
  /// - Parameter timeout: how long to wait for it; `nil` waits for ever.
  /// - Returns: `nil` when the other side has closed, and everything was received.
  /// - Throws: ``ChannelError`` as for bytes; `DecodingError`, or what `init(from:)` throws, when the message is no such
  ///   value: it is gone then, its descriptors are closed, and the next one can be received.
  public func receive<Value: Decodable>(_ type: Value.Type, timeout: Duration? = nil) throws -> Value? {
    var none = ReceivedDescriptors(atMost: 0)
    return try receive(type, receiving: &none, timeout: timeout)
  }

  /// Receives the next message as a value, and the descriptors that came with it and are not the value's.
  public func receive<Value: Decodable>(
    _ type: Value.Type, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws -> Value? {
    var all = descriptorsOfAMessage
    guard let message = try receive(receiving: &all, timeout: timeout) else { return nil }
    return try decoded(type, message, ArrivedDescriptors(all), &received)
  }
}

extension Channel {
  /// Sends a value as CBOR; the task is suspended while the other side has no room for it.
  public nonisolated(nonsending) func send<Value: Encodable>(
    encoding value: Value, passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) async throws {
    let (message, passed) = try encoded(value)
    // The list keeps its descriptors open until they are sent.
    defer { withExtendedLifetime(passed) {} }
    try await send(message, passing: passed.fileDescriptors + descriptors, timeout: timeout)
  }

  /// Receives the next message as a value; the task is suspended until it has come.
  public nonisolated(nonsending) func receive<Value: Decodable>(
    _ type: Value.Type, timeout: Duration? = nil
  ) async throws -> Value? {
    var none = ReceivedDescriptors(atMost: 0)
    return try await receive(type, receiving: &none, timeout: timeout)
  }

  /// Receives the next message as a value, and the descriptors that came with it and are not the value's; the task is
  /// suspended until it has come.
  public nonisolated(nonsending) func receive<Value: Decodable>(
    _ type: Value.Type, receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) async throws -> Value? {
    var all = descriptorsOfAMessage
    guard let message = try await receive(receiving: &all, timeout: timeout) else { return nil }
    return try decoded(type, message, ArrivedDescriptors(all), &received)
  }

  /// The messages that come, each decoded when it is asked for, until the other side closes.
  public func values<Value: Decodable & Sendable>(of type: Value.Type) -> Values<Value> { Values(channel: self) }

  /// The values of a channel. See `Channel.values(of:)`.
  public struct Values<Value: Decodable & Sendable>: AsyncSequence, Sendable {
    let channel: Channel

    public struct AsyncIterator: AsyncIteratorProtocol {
      let channel: Channel

      public mutating func next(isolation actor: isolated (any Actor)? = #isolation) async throws -> Value? {
        try await channel.receive(Value.self)
      }

      public mutating func next() async throws -> Value? { try await channel.receive(Value.self) }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(channel: channel) }
  }
}

extension Channel {
  private func encoded<Value: Encodable>(_ value: Value) throws -> (message: [UInt8], passed: PassedDescriptors) {
    let passed = PassedDescriptors()
    var encoder = CBOREncoder()
    encoder.lateUserInfo = (.passedDescriptors, passed)
    return (try encoder.encode(value), passed)
  }

  private var descriptorsOfAMessage: ReceivedDescriptors {
    ReceivedDescriptors(atMost: mechanism.carriesDescriptors ? ReceivedDescriptors.mostPerMessage : 0)
  }

  private func decoded<Value: Decodable>(
    _ type: Value.Type, _ message: [UInt8], _ arrived: ArrivedDescriptors, _ rest: inout ReceivedDescriptors
  ) throws -> Value {
    var decoder = CBORDecoder()
    decoder.lateUserInfo = (.arrivedDescriptors, arrived)
    let value = try decoder.decode(type, from: message)
    arrived.giveRest(to: &rest)
    return value
  }
}
