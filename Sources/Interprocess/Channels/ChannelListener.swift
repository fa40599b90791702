public import SystemPackage

/// Where strangers find a channel: at the path or abstract name of a Unix socket.
///
/// ```swift
/// let listener = try ChannelListener(at: .path("/run/service"), offering: .ring)
/// while true {
///   // One who does not keep to the rules is an error, and the next is another.
///   do { try listener.accept().send(Array("welcome".utf8)) } catch { print(error) }
/// }
/// // in another program:
/// let channel = try Channel(connectingTo: .path("/run/service"), over: .ring)
/// ```
///
/// Over ``Mechanism/unixSocket`` the connection itself is the channel, and the other end may be a Python program's
/// `multiprocessing.connection.Client`. For any other mechanism the listener makes a pair, and hands the stranger its
/// end, descriptors and all, over the connection: nothing else has a name.
public struct ChannelListener: ~Copyable, Sendable {
  private let listener: UnixListener
  /// What it offers.
  public let mechanism: Mechanism
  /// What its channels allow.
  public let options: Channel.Options
  private let key: AuthenticationKey?

  public var address: UnixSocketAddress { listener.address }

  /// Listens at `address`.
  ///
  /// - Parameter replacingDeadServer: whether to take over a path at which nobody listens any more. See
  ///   ``UnixListener/init(at:backlog:replacingDeadServer:)``.
  /// - Throws: `Errno.addressInUse` when the path or name is taken.
  public init(
    at address: UnixSocketAddress, offering mechanism: Mechanism = .unixSocket, _ options: Channel.Options = .init(),
    replacingDeadServer: Bool = false
  ) throws(InterprocessError) {
    let listener = try UnixListener(at: address, replacingDeadServer: replacingDeadServer)
    self.init(listener, offering: mechanism, options, key: nil)
  }

  /// Listens at `address`, taking over a path at which nobody listens any more; the task is suspended while others do so
  /// in the same directory. See ``init(at:offering:_:replacingDeadServer:)``.
  ///
  /// - Throws: `Errno.addressInUse` when somebody is alive there; `CancellationError`.
  public nonisolated(nonsending) init(
    takingOver address: UnixSocketAddress, offering mechanism: Mechanism = .unixSocket,
    _ options: Channel.Options = .init()
  ) async throws {
    self.init(try await UnixListener(takingOver: address), offering: mechanism, options, key: nil)
  }

  init(
    _ listener: consuming UnixListener, offering mechanism: Mechanism, _ options: Channel.Options,
    key: AuthenticationKey?
  ) {
    self.listener = listener
    self.mechanism = mechanism
    self.options = options
    self.key = key
  }

  /// Waits for somebody to connect, and opens the channel to it: of a mailbox, the end that receives.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: ``ChannelError``: a timeout among them.
  public func accept(timeout: Duration? = nil) throws(ChannelError) -> Channel {
    let deadline = Deadline(timeout)
    let connection: UnixSocket
    do {
      connection = try listener.accept(timeout: timeout)
    } catch {
      throw ChannelError(error)
    }
    let channel = try Channel(connection, mechanism == .unixSocket ? options : .init())
    if let key { try channel.authenticate(key, isListener: true, by: deadline) }
    return mechanism == .unixSocket ? channel : try introduce(by: channel)
  }

  /// Suspends the task until somebody connects, and opens the channel to it. See ``accept(timeout:)``.
  ///
  /// - Throws: ``ChannelError``; `CancellationError`, and then no connection was taken.
  public nonisolated(nonsending) func accept(timeout: Duration? = nil) async throws -> Channel {
    let deadline = Deadline(timeout)
    let connection: UnixSocket
    do {
      connection = try await listener.accept(timeout: timeout)
    } catch let error as InterprocessError {
      throw ChannelError(error)
    }
    let channel = try Channel(connection, mechanism == .unixSocket ? options : .init())
    if let key { try await channel.authenticate(key, isListener: true, by: deadline) }
    return mechanism == .unixSocket ? channel : try introduce(by: channel)
  }

  /// Hands the stranger its end of a pair.
  private func introduce(by introduction: Channel) throws(ChannelError) -> Channel {
    var pair: ChannelPair
    do {
      pair = try Channel.pair(over: mechanism)
    } catch {
      throw ChannelError(error)
    }
    // Two descriptors' worth of bytes: they fit into any socket, whether the stranger reads or not.
    let theirs = try pair.takeFirst()
    try introduction.send(theirs.description, passing: theirs.fileDescriptors, timeout: .zero)
    return try Channel(try pair.takeSecond(), options)
  }

  /// Removes a listener's path. The corresponding C function is `unlink`.
  public static func unlink(_ path: FilePath) throws(InterprocessError) { try UnixListener.unlink(path) }
}

extension Channel {
  /// Connects to a ``ChannelListener``; of a mailbox, this is the end that sends.
  ///
  /// - Parameters:
  ///   - mechanism: what the listener offers.
  ///   - timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: ``ChannelError``: `Errno.noSuchFileOrDirectory` and `Errno.connectionRefused` when nobody listens, a
  ///   timeout, and ``ChannelError/Code/malformedMessage`` when another mechanism is offered there. Where one side means
  ///   ``Mechanism/unixSocket``, that is not noticed: it would take what introduces the other mechanism for a message, or the
  ///   other side would wait for it until `timeout`.
  public convenience init(
    connectingTo address: UnixSocketAddress, over mechanism: Mechanism = .unixSocket, _ options: Options = .init(),
    timeout: Duration? = nil
  ) throws(ChannelError) {
    try self.init(connectingTo: address, over: mechanism, options, key: nil, timeout: timeout)
  }

  convenience init(
    connectingTo address: UnixSocketAddress, over mechanism: Mechanism, _ options: Options, key: AuthenticationKey?,
    timeout: Duration?
  ) throws(ChannelError) {
    let deadline = Deadline(timeout)
    let connection: UnixSocket
    do {
      connection = try UnixSocket(connectingTo: address, timeout: timeout)
    } catch {
      throw ChannelError(error)
    }
    if mechanism == .unixSocket {
      try self.init(connection, options)
      if let key { try authenticate(key, isListener: false, by: deadline) }
      return
    }
    let introduction = try Channel(connection, Options(maximumMessageSize: 1024))
    if let key { try introduction.authenticate(key, isListener: false, by: deadline) }
    var descriptors = ReceivedDescriptors(atMost: 16)
    let description = try introduction.receive(receiving: &descriptors, timeout: deadline.remaining)
    try self.init(Self.offered(description, descriptors, mechanism), options)
  }

  /// Connects to a ``ChannelListener``; the task is suspended meanwhile.
  ///
  /// - Throws: ``ChannelError`` as the blocking form does; `CancellationError`.
  public static nonisolated(nonsending) func connected(
    to address: UnixSocketAddress, over mechanism: Mechanism = .unixSocket, _ options: Options = .init(),
    timeout: Duration? = nil
  ) async throws -> Channel {
    try await connected(to: address, over: mechanism, options, key: nil, timeout: timeout)
  }

  static nonisolated(nonsending) func connected(
    to address: UnixSocketAddress, over mechanism: Mechanism, _ options: Options, key: AuthenticationKey?,
    timeout: Duration?
  ) async throws -> Channel {
    let deadline = Deadline(timeout)
    let connection: UnixSocket
    do {
      connection = try await UnixSocket(connectingTo: address, timeout: timeout)
    } catch let error as InterprocessError {
      throw ChannelError(error)
    }
    let introduction = try Channel(connection, mechanism == .unixSocket ? options : .init(maximumMessageSize: 1024))
    if let key { try await introduction.authenticate(key, isListener: false, by: deadline) }
    if mechanism == .unixSocket { return introduction }
    var descriptors = ReceivedDescriptors(atMost: 16)
    let description = try await introduction.receive(receiving: &descriptors, timeout: deadline.remaining)
    return try Channel(Self.offered(description, descriptors, mechanism), options)
  }

  private static func offered(
    _ description: [UInt8]?, _ descriptors: consuming ReceivedDescriptors, _ mechanism: Mechanism
  ) throws(ChannelError) -> ChannelEndpoint {
    guard let description else { throw ChannelError(.peerClosed, "the listener closed the connection") }
    let end = try ChannelEndpoint(description: description, descriptors: descriptors)
    guard end.mechanism == mechanism else {
      throw ChannelError(.malformedMessage, "the listener offers \(end.mechanism), not \(mechanism)")
    }
    return end
  }
}
