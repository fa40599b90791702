import CInterprocess
import Glibc
import SystemPackage

/// Messages going into a POSIX queue, as ``QueuePiece`` says.
final class POSIXQueueOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let queue: OwnedDescriptor
  private let peer: PeerLife
  private let piece: QueuePiece
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var sent: Int?
  private let share: QueueShare?

  init(_ queue: consuming OwnedDescriptor, _ peer: PeerLife, _ share: QueueShare?) throws(InterprocessError) {
    self.share = share
    piece = QueuePiece(byteCount: try queue.queueMessageSize())
    self.queue = queue
    self.peer = peer
  }

  deinit { piece.deallocate() }

  @inline(__always)
  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    // Most messages are one call. What is in its way the same call finds again.
    if sent == nil, mayBlock, message.byteCount <= piece.longestWhole, peer.receiverState == .lives {
      let result = message.withUnsafeBytes { ci_mq_send(queue.rawValue, $0.baseAddress, $0.count, 0, nil) }
      if result == 0 { return .sent }
    }
    return try goOn(with: message, mayBlock: mayBlock)
  }

  @inline(never)
  private func goOn(with message: RawSpan, mayBlock: Bool) throws(ChannelError) -> Departure {
    var stride = Stride()
    var (done, isFirst) = (sent ?? 0, sent == nil)
    while isFirst || done < message.byteCount {
      if let error = peer.sendingError { throw error }
      var past = timespec()
      let (result, taken) = piece.withNext(of: message, from: done, isFirst: isFirst) { bytes in
        valueOrErrno {
          mayBlock
            ? ci_mq_send(queue.rawValue, bytes.baseAddress, bytes.count, 0, nil)
            : ci_mq_send(queue.rawValue, bytes.baseAddress, bytes.count, 0, &past)
        }
      }
      switch result {
      case .success: (done, isFirst) = (done + taken, false)
      case .failure(.timedOut), .failure(.wouldBlock): return .noRoom
      case .failure(let reason): throw ChannelError(InterprocessError(call: "mq_send", errno: reason))
      }
      sent = done
      if !stride.goesOn(after: taken), done < message.byteCount { return .unfinished }
    }
    sent = nil
    return .sent
  }

  func waitForRoom(by deadline: Deadline) throws(ChannelError) {
    let isReady = try asChannelError { () throws(InterprocessError) in try queue.wait(until: .writable, by: deadline) }
    if !isReady { throw .timedOut("Channel.send", "the other side takes no more") }
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    try await queue.suspend(until: .writable, by: deadline)
  }

  func abandon() -> Bool {
    sent = nil
    return true
  }

  // The descriptor goes with the line: another thread may still use it in peerEnded().
  func close(whileReceiving isReceiving: Bool) {}

  func peerEnded() {
    // A peer that sends nothing more may be receiving still.
    if peer.receiverState == .lives { return }
    // Nobody will ever receive from it: taking one out lets a blocked sender go on, and look.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.bytes.count, alignment: 1)
    defer { buffer.deallocate() }
    var past = timespec()
    _ = ci_mq_receive(queue.rawValue, buffer.baseAddress, buffer.count, nil, &past)
  }
}

/// Messages coming out of a POSIX queue.
final class POSIXQueueIncomingLine: IncomingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let queue: OwnedDescriptor
  private let peer: PeerLife
  private let piece: QueuePiece
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var joining = Joining()
  var partialByteCount: Int? { joining.partialByteCount }

  init(_ queue: consuming OwnedDescriptor, _ peer: PeerLife) throws(InterprocessError) {
    piece = QueuePiece(byteCount: try queue.queueMessageSize())
    self.queue = queue
    self.peer = peer
  }

  deinit { piece.deallocate() }

  @inline(__always)
  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    var stride = Stride()
    while true {
      // Looked at before the queue: what the peer sent before it went is there now.
      let state = peer.state
      let result =
        mayBlock && state == .lives
        ? valueOrErrno { ci_mq_receive(queue.rawValue, piece.bytes.baseAddress, piece.bytes.count, nil, nil) }
        : receiveAtOnce()
      guard case .success(let count) = result else { return try arrival(of: result, state) }
      let message =
        count <= piece.longestWhole
        ? try joining.take(.whole, piece.first(count), limit: limit)
        : try takePiece(count, limit: limit)
      if let message { return .message(message) }
      if !stride.goesOn(after: count) { return .unfinished }
    }
  }

  @inline(never)
  private func takePiece(_ count: Int, limit: Int) throws(ChannelError) -> UnsafeRawBufferPointer? {
    guard count == piece.bytes.count, let (kind, content, total) = piece.content else {
      throw ChannelError(.malformedMessage, "a message came that no channel has sent")
    }
    if kind == .first { return try joining.begin(total, content, limit: limit) }
    return try joining.take(kind, content, limit: limit)
  }

  @inline(never)
  private func receiveAtOnce() -> Result<Int, Errno> {
    var past = timespec()
    return valueOrErrno { ci_mq_receive(queue.rawValue, piece.bytes.baseAddress, piece.bytes.count, nil, &past) }
  }

  /// What it means that no message came.
  @inline(never)
  private func arrival(of result: Result<Int, Errno>, _ state: PeerLife.State) throws(ChannelError) -> Arrival {
    guard case .failure(let reason) = result else { return .unfinished }
    switch reason {
    case .timedOut, .wouldBlock: return try joining.arrival(from: state)
    default: throw ChannelError(InterprocessError(call: "mq_receive", errno: reason))
    }
  }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    let isReady = try asChannelError { () throws(InterprocessError) in try queue.wait(until: .readable, by: deadline) }
    if !isReady { throw .timedOut("Channel.receive", "no message came") }
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    try await queue.suspend(until: .readable, by: deadline)
  }

  func close() {}

  func peerEnded() {
    // Not the piece that a receiver has in use.
    let wake = QueuePiece(byteCount: piece.bytes.count)
    defer { wake.deallocate() }
    wake.finish(.wake, count: 0, total: 0)
    var past = timespec()
    // A full queue needs no waking.
    _ = ci_mq_send(queue.rawValue, wake.bytes.baseAddress, wake.bytes.count, 0, &past)
  }
}

/// A message of a POSIX queue, and how a channel's message lies in it: a short one as it is, from where it is, which other
/// programs can read too. One that does not fit is cut into pieces as long as the queue's messages can be, whose last 16
/// bytes say what they are: the ``Fragment``, how many bytes of the message are before, as 4 bytes, and the length of the
/// whole, as 8. See ``CopyAlignment`` for where the memory lies.
private struct QueuePiece {
  private static let tailSize = 16
  private let memory: UnsafeMutableRawPointer
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    let place = CopyAlignment.place(from: 0)
    memory = .allocate(byteCount: place + byteCount, alignment: CopyAlignment.page)
    bytes = UnsafeMutableRawBufferPointer(start: memory + place, count: byteCount)
    // A piece is sent whole: what lay here before is nobody else's business.
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  func deallocate() { memory.deallocate() }

  var longestWhole: Int { bytes.count - Self.tailSize }

  func first(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes.prefix(count)) }

  /// Calls `body` with what to send next of a message.
  ///
  /// - Returns: what it returned, and how much of the message that was.
  func withNext<Result>(
    of message: RawSpan, from done: Int, isFirst: Bool, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> (Result, taken: Int) {
    message.withUnsafeBytes { storage in
      let taken = min(storage.count - done, longestWhole)
      if isFirst, taken == storage.count { return (body(storage), taken) }
      bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[done..<(done + taken)]))
      finish(isFirst ? .first : .more, count: taken, total: storage.count)
      return (body(UnsafeRawBufferPointer(bytes)), taken)
    }
  }

  func finish(_ kind: Fragment, count: Int, total: Int) {
    bytes.storeBytes(of: UInt32(kind.rawValue).littleEndian, toByteOffset: longestWhole, as: UInt32.self)
    bytes.storeBytes(of: UInt32(count).littleEndian, toByteOffset: longestWhole + 4, as: UInt32.self)
    bytes.storeBytes(of: UInt64(total).littleEndian, toByteOffset: longestWhole + 8, as: UInt64.self)
  }

  /// What a piece that came is; `nil` where no channel has made it.
  var content: (kind: Fragment, bytes: UnsafeRawBufferPointer, total: UInt64)? {
    let kind = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: longestWhole, as: UInt32.self))
    let count = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: longestWhole + 4, as: UInt32.self))
    let total = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: longestWhole + 8, as: UInt64.self))
    guard let kind = UInt8(exactly: kind).flatMap(Fragment.init(rawValue:)), kind != .whole, count <= longestWhole
    else {
      return nil
    }
    return (kind, first(Int(count)), total)
  }
}

extension Joining {
  /// What it means that nothing more is there, the peer being in a state that was looked at before.
  func arrival(from peer: PeerLife.State) throws(ChannelError) -> Arrival {
    switch peer {
    case .lives: return .nothing
    case .closed where partialByteCount == nil: return .end
    case .died where partialByteCount == nil: throw .peerDied
    case .closed, .died:
      throw .truncated(after: partialByteCount ?? 0)
    }
  }
}

extension OwnedDescriptor {
  fileprivate func queueMessageSize() throws(InterprocessError) -> Int {
    var attributes = mq_attr()
    try systemCall("mq_getattr", "descriptor \(rawValue)") { mq_getattr(rawValue, &attributes) }
    // Another process may have sent the descriptor: a piece has to have room for its head, and some of the message.
    guard attributes.mq_msgsize >= 64 else {
      throw .refused("mq_getattr", "descriptor \(rawValue)", "a channel's queue takes messages of 64 bytes at least")
    }
    return attributes.mq_msgsize
  }
}
