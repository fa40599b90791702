import Synchronization
public import SystemPackage

/// Messages to and from another process, over any ``Mechanism``.
///
/// A message is bytes, or a `Codable` value. It arrives whole and in order, however the mechanism cuts it. A sender whose
/// receiver is slow waits; nothing is buffered without bound. The end is clean: a side that closes ends the other's
/// messages; one that dies makes them throw ``ChannelError/Code/peerDied``, but over pipes and sockets, where a death between
/// two messages looks like closing.
///
/// ```swift
/// var pair = try Channel.pair(over: .ring)
/// var child = try ForkedProcess {
///   let channel = try pair.openSecond()
///   while let request = try channel.receive() { try channel.send(request.reversed()) }
/// }
/// let channel = try pair.openFirst()
/// try channel.send(Array("hello".utf8))
/// let reply = try channel.receive(timeout: .seconds(1))
/// ```
///
/// Over a pipe or a FIFO it raises no SIGPIPE; where the program ignores that signal when the channel is opened, it has to go
/// on doing so.
///
/// Any number of threads and tasks may use it at once: in each direction one after the other, in the order they came.
/// Closing it, or letting it go, tells the other side that nothing more comes; what was sent can still be received.
public final class Channel: Sendable {
  /// What a channel allows.
  public struct Options: Hashable, Sendable {
    /// The largest message in bytes, to send or to receive. A message that announces more is refused before any memory
    /// is taken for it. 64 MiB unless set.
    public var maximumMessageSize: Int

    public init(maximumMessageSize: Int = 64 << 20) {
      self.maximumMessageSize = max(0, maximumMessageSize)
    }
  }

  /// What it goes over.
  public let mechanism: Mechanism
  /// What it allows.
  public let options: Options

  let outgoing: (any OutgoingLine)?
  private let knownOutgoing: KnownOutgoingLine?
  private let knownIncoming: KnownIncomingLine?
  let incoming: (any IncomingLine)?
  let sending = Turn()
  let receiving = Turn()
  private let peer: PeerLife?
  private let hasSentSinceReceiving = Atomic(false)
  private let isClosed = Atomic(false)
  /// A message was given up half-way, and the stream cannot take that back.
  private let isBroken = Atomic(false)
  /// Which lines are closed: 1 the outgoing one, 2 the incoming one.
  private let closedLines = Atomic<UInt8>(0)

  init(
    _ mechanism: Mechanism, _ options: Options, outgoing: (any OutgoingLine)?, incoming: (any IncomingLine)?,
    peer: PeerLife?
  ) throws(InterprocessError) {
    self.mechanism = mechanism
    self.options = options
    self.outgoing = outgoing
    self.incoming = incoming
    knownOutgoing = KnownOutgoingLine(outgoing)
    knownIncoming = KnownIncomingLine(incoming)
    self.peer = peer
    // Not weakly, which would make each of the lines' reference counts dear: closing ends the watching.
    try peer?.startWatching {
      outgoing?.peerEnded()
      incoming?.peerEnded()
    }
  }

  deinit { close() }

  /// Closes this side, in order: the other side receives what was sent, and then the end.
  ///
  /// A call that is under way on another thread or in a task goes on: a message that is being sent still goes, and the
  /// end comes after it; one that waits for a message gets it, or the other side's end, and the other side may send until
  /// then. Closing again does nothing.
  public func close() {
    // Sequentially consistent: see Turn.takeIfFree().
    if isClosed.exchange(true, ordering: .sequentiallyConsistent) { return }
    closeLines()
  }

  /// Closes each line nobody uses; the one who does use it comes back here.
  private func closeLines() {
    var areAllClosed = false
    if receiving.take(by: .passed) {
      // Whoever has found it closed already comes here too.
      if closedLines.load(ordering: .acquiring) & 2 == 0 {
        incoming?.close()
        areAllClosed = noteClosed(2)
      }
      receiving.release()
    }
    if sending.take(by: .passed) {
      // Pairs with noteClosed(_:), like the one above.
      let closed = closedLines.load(ordering: .acquiring)
      if closed & 1 == 0 {
        outgoing?.close(whileReceiving: incoming != nil && closed & 2 == 0)
        peer?.sayGoodbye()
        areAllClosed = noteClosed(1)
      }
      sending.release()
    }
    if areAllClosed { peer?.close() }
  }

  /// Relaxed: what comes of it is only how long a receiver waits in which way.
  func noteSending() {
    if !hasSentSinceReceiving.load(ordering: .relaxed) { hasSentSinceReceiving.store(true, ordering: .relaxed) }
  }

  /// - Returns: whether something was sent since this was last asked.
  private func hasSent() -> Bool {
    let hasSent = hasSentSinceReceiving.load(ordering: .relaxed)
    if hasSent { hasSentSinceReceiving.store(false, ordering: .relaxed) }
    return hasSent
  }

  /// - Returns: whether both lines are closed now, which one caller is told.
  private func noteClosed(_ line: UInt8) -> Bool {
    closedLines.bitwiseOr(line, ordering: .acquiringAndReleasing).newValue == 3
  }

  /// Says that the other side's process has ended, for those who know: of a channel over a queue or shared memory whose
  /// other end a third process has inherited, the kernel does not tell.
  public func peerDied() {
    guard let peer else { return }
    peer.peerDied()
    outgoing?.peerEnded()
    incoming?.peerEnded()
  }
}

extension Channel {
  /// Sends a message, waiting while the other side has no room for it.
  ///
  /// - Parameters:
  ///   - message: at most ``Options/maximumMessageSize`` bytes; may be empty.
  ///   - descriptors: passed along, at most 253; this process keeps its own. Only a Unix socket carries them.
  ///   - timeout: how long the whole may take; `nil` waits for ever.
  /// - Throws: ``ChannelError``: a timeout among them. A message given up half-way is withdrawn, which the other side
  ///   learns from the next one, and takes for truncated where the channel is closed instead; over a stream (a pipe, a
  ///   FIFO, a socket) that is not possible, and nothing more can be sent.
  public func send(
    _ message: RawSpan, passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) throws(ChannelError) {
    let deadline = Deadline(timeout)
    guard let knownOutgoing, descriptors.isEmpty, message.byteCount <= options.maximumMessageSize else {
      return try send(message, descriptors, by: deadline, outgoingLine(for: message, descriptors))
    }
    switch knownOutgoing {
    case .ring(let line): try line.use { line throws(ChannelError) in try send(message, [], by: deadline, line) }
    case .posixQueue(let line): try line.use { line throws(ChannelError) in try send(message, [], by: deadline, line) }
    case .systemVQueue(let line):
      try line.use { line throws(ChannelError) in try send(message, [], by: deadline, line) }
    case .stream(let line): try line.use { line throws(ChannelError) in try send(message, [], by: deadline, line) }
    case .file(let line): try line.use { line throws(ChannelError) in try send(message, [], by: deadline, line) }
    }
  }

  @inline(__always)
  private func send(
    _ message: RawSpan, _ descriptors: [FileDescriptor], by deadline: Deadline, _ line: some OutgoingLine
  ) throws(ChannelError) {
    noteSending()
    guard sending.take(by: deadline) else { throw .timedOut("Channel.send", "others are sending") }
    defer { release(sending) }
    try checkSending()
    do throws(ChannelError) {
      while true {
        let departure = try line.trySend(message, passing: descriptors.rawValues, mayBlock: deadline.isNever)
        if departure == .sent { return }
        if deadline.hasPassed { throw .sendingTimedOut }
        if departure == .noRoom { try line.waitForRoom(by: deadline) }
      }
    } catch {
      giveUpSending(line)
      throw error
    }
  }

  /// Sends a message. See `send(_:passing:timeout:)`.
  public func send(
    _ message: [UInt8], passing descriptors: [FileDescriptor] = [], timeout: Duration? = nil
  ) throws(ChannelError) {
    try send(message.span.bytes, passing: descriptors, timeout: timeout)
  }

  /// Receives the next message, and calls `body` with its bytes, which are valid until it returns.
  ///
  /// Others who receive wait meanwhile: `body` may send, but to receive from this channel in it would wait for ever.
  ///
  /// - Parameters:
  ///   - timeout: how long to wait for all of it; `nil` waits for ever. What has come of a message by then is kept.
  ///   - received: keeps the descriptors that came with it, as many as it has a mind to; the rest are closed.
  /// - Returns: what `body` returned; `nil` when the other side has closed, and everything was received.
  /// - Throws: ``ChannelError``.
  public func withReceivedMessage<Result>(
    timeout: Duration? = nil, receiving received: inout ReceivedDescriptors, _ body: (RawSpan) -> Result
  ) throws(ChannelError) -> Result? {
    try withReceivedMessage(
      atMost: options.maximumMessageSize, by: Deadline(timeout), receiving: &received, body)
  }

  func withReceivedMessage<Result>(
    atMost limit: Int, by deadline: Deadline, receiving received: inout ReceivedDescriptors, _ body: (RawSpan) -> Result
  ) throws(ChannelError) -> Result? {
    let line = try incomingLine()
    guard let bytes = try beginReceiving(atMost: limit, by: deadline, line) else { return nil }
    defer { endReceiving() }
    line.takeDescriptors(into: &received)
    return body(RawSpan(_unsafeBytes: bytes))
  }

  /// Waits for the next message, whose bytes are the caller's until ``endReceiving()``.
  ///
  /// - Returns: `nil` at the end; then, as when it throws, nothing has to be ended.
  @inline(__always)
  private func beginReceiving(
    atMost limit: Int, by deadline: Deadline, _ line: some IncomingLine
  ) throws(ChannelError) -> UnsafeRawBufferPointer? {
    guard receiving.take(by: deadline) else { throw .timedOut("Channel.receive", "others are receiving") }
    do throws(ChannelError) {
      try checkReceiving()
      line.note(isStream: !hasSent())
      while true {
        switch try line.tryReceive(limit: limit, mayBlock: deadline.isNever) {
        case .message(let bytes): return bytes
        case .end:
          release(receiving)
          return nil
        case .unfinished: if deadline.hasPassed { throw .receivingTimedOut }
        case .nothing:
          if deadline.hasPassed { throw .receivingTimedOut }
          try line.waitForMessage(by: deadline)
        }
      }
    } catch {
      release(receiving)
      throw error
    }
  }

  /// The next message, for those who want no descriptors. No generic function: what is the same whatever its caller does
  /// with the bytes is compiled here once, and the rest where that is known.
  @usableFromInline
  func beginReceiving(timeout: Duration?) throws(ChannelError) -> UnsafeRawBufferPointer? {
    let (limit, deadline) = (options.maximumMessageSize, Deadline(timeout))
    switch knownIncoming {
    case .ring(let line):
      return try line.use { line throws(ChannelError) in try beginReceiving(atMost: limit, by: deadline, line) }
    case .posixQueue(let line):
      return try line.use { line throws(ChannelError) in try beginReceiving(atMost: limit, by: deadline, line) }
    case .systemVQueue(let line):
      return try line.use { line throws(ChannelError) in try beginReceiving(atMost: limit, by: deadline, line) }
    case .stream(let line):
      return try line.use { line throws(ChannelError) in
        guard let bytes = try beginReceiving(atMost: limit, by: deadline, line) else { return nil }
        line.dropDescriptors()
        return bytes
      }
    case .file(let line):
      return try line.use { line throws(ChannelError) in try beginReceiving(atMost: limit, by: deadline, line) }
    case nil: throw noIncomingLine
    }
  }

  @usableFromInline
  func endReceiving() { release(receiving) }

  /// Receives the next message, and calls `body` with its bytes, which are valid until it returns. Descriptors that came
  /// with it are closed. Others who receive wait meanwhile.
  @inlinable
  public func withReceivedMessage<Result>(
    timeout: Duration? = nil, _ body: (RawSpan) -> Result
  ) throws(ChannelError) -> Result? {
    guard let bytes = try beginReceiving(timeout: timeout) else { return nil }
    defer { endReceiving() }
    return body(bytes.bytes)
  }

  /// Receives the next message.
  ///
  /// - Returns: `nil` when the other side has closed, and everything was received.
  public func receive(timeout: Duration? = nil) throws(ChannelError) -> [UInt8]? {
    try withReceivedMessage(timeout: timeout) { [UInt8](copying: $0) }
  }

  /// Receives the next message and the descriptors that came with it.
  ///
  /// - Returns: `nil` when the other side has closed, and everything was received.
  public func receive(
    receiving received: inout ReceivedDescriptors, timeout: Duration? = nil
  ) throws(ChannelError) -> [UInt8]? {
    try withReceivedMessage(timeout: timeout, receiving: &received) { [UInt8](copying: $0) }
  }
}

extension Channel {
  func outgoingLine(for message: RawSpan, _ descriptors: [FileDescriptor]) throws(ChannelError) -> any OutgoingLine {
    guard let outgoing else {
      throw ChannelError(.notPossible, "a channel over \(mechanism) goes one way, and this end receives")
    }
    guard message.byteCount <= options.maximumMessageSize else {
      throw .tooLarge(message.byteCount, limit: options.maximumMessageSize, "to be sent")
    }
    if descriptors.isEmpty { return outgoing }
    guard mechanism.carriesDescriptors else {
      throw ChannelError(.notPossible, "\(mechanism) carries no descriptors; socket-pair and unix-socket do")
    }
    guard descriptors.count <= ReceivedDescriptors.mostPerMessage else {
      throw ChannelError(
        .notPossible,
        "a message carries at most \(ReceivedDescriptors.mostPerMessage) descriptors, not \(descriptors.count)")
    }
    return outgoing
  }

  func incomingLine() throws(ChannelError) -> any IncomingLine {
    guard let incoming else { throw noIncomingLine }
    return incoming
  }

  private var noIncomingLine: ChannelError {
    ChannelError(.notPossible, "a channel over \(mechanism) goes one way, and this end sends")
  }

  // Relaxed, here and below: whoever has the turn and does not see the close yet has come before it, and release(_:) looks
  // again; `isBroken` is touched by those alone who have the turn.
  @inline(__always)
  func checkSending() throws(ChannelError) {
    if isClosed.load(ordering: .relaxed) { throw .closed }
    if isBroken.load(ordering: .relaxed) { throw brokenStream }
  }

  private var brokenStream: ChannelError {
    ChannelError(
      .brokenStream,
      "an earlier message was given up half-way, and \(mechanism) cannot take that back; close the channel")
  }

  @inline(__always)
  func checkReceiving() throws(ChannelError) {
    if isClosed.load(ordering: .relaxed) { throw .closed }
  }

  func giveUpSending(_ line: any OutgoingLine) {
    if !line.abandon() { isBroken.store(true, ordering: .relaxed) }
  }

  @inline(__always)
  func release(_ turn: Turn) {
    turn.release()
    // Pairs with the exchange in close(): one of the two finds the turn free and the channel closed.
    if isClosed.load(ordering: .sequentiallyConsistent) { closeLines() }
  }
}

extension ChannelError {
  static var closed: ChannelError { ChannelError(.closed, "this side has closed the channel") }
  static var sendingTimedOut: ChannelError { .timedOut("Channel.send", "the other side takes no more") }
  static var receivingTimedOut: ChannelError { .timedOut("Channel.receive", "no message came, or not all of one") }
}

extension [FileDescriptor] {
  var rawValues: [CInt] { isEmpty ? [] : map(\.rawValue) }
}

extension RawSpan {
  init(_unsafeBytes bytes: UnsafeRawBufferPointer) { self = bytes.bytes }
}

extension [UInt8] {
  /// A copy of `span`.
  init(copying span: RawSpan) {
    self = span.withUnsafeBytes { [UInt8]($0) }
  }
}
