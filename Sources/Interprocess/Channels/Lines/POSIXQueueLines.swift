import CInterprocess
import Glibc
import SystemPackage

/// Messages going into a POSIX queue, each piece with the byte of ``Fragment`` before it.
final class POSIXQueueOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let queue: OwnedDescriptor
  private let peer: PeerLife
  private let piece: UnsafeMutableRawBufferPointer
  private var sent: Int?
  private let share: QueueShare?

  init(_ queue: consuming OwnedDescriptor, _ peer: PeerLife, _ share: QueueShare?) throws(InterprocessError) {
    self.share = share
    piece = .allocate(byteCount: try queue.queueMessageSize(), alignment: 16)
    self.queue = queue
    self.peer = peer
  }

  deinit { piece.deallocate() }

  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    var stride = Stride()
    var (done, isFirst) = (sent ?? 0, sent == nil)
    while isFirst || done < message.byteCount {
      if let error = peer.sendingError { throw error }
      let (size, taken) = fill(message, from: done, isFirst: isFirst)
      var past = timespec()
      let result = valueOrErrno {
        mayBlock
          ? ci_mq_send(queue.rawValue, piece.baseAddress, size, 0, nil)
          : ci_mq_send(queue.rawValue, piece.baseAddress, size, 0, &past)
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

  /// - Returns: the size of the piece, and how much of the message is in it.
  private func fill(_ message: RawSpan, from done: Int, isFirst: Bool) -> (size: Int, taken: Int) {
    let isWhole = isFirst && message.byteCount < piece.count
    let head = isFirst && !isWhole ? 1 + Fragment.lengthSize : 1
    piece[0] = (isWhole ? Fragment.whole : isFirst ? .first : .more).rawValue
    if head > 1 { piece.storeBytes(of: UInt64(message.byteCount).littleEndian, toByteOffset: 1, as: UInt64.self) }
    let taken = min(message.byteCount - done, piece.count - head)
    message.withUnsafeBytes { storage in
      UnsafeMutableRawBufferPointer(rebasing: piece[head...])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[done..<(done + taken)]))
    }
    return (head + taken, taken)
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
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
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
  private let piece: UnsafeMutableRawBufferPointer
  private var joining = Joining()
  var partialByteCount: Int? { joining.partialByteCount }

  init(_ queue: consuming OwnedDescriptor, _ peer: PeerLife) throws(InterprocessError) {
    piece = .allocate(byteCount: try queue.queueMessageSize(), alignment: 16)
    self.queue = queue
    self.peer = peer
  }

  deinit { piece.deallocate() }

  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    var stride = Stride()
    while true {
      // Looked at before the queue: what the peer sent before it went is there now.
      let state = peer.state
      let waits = mayBlock && state == .lives
      var past = timespec()
      let result = valueOrErrno {
        waits
          ? ci_mq_receive(queue.rawValue, piece.baseAddress, piece.count, nil, nil)
          : ci_mq_receive(queue.rawValue, piece.baseAddress, piece.count, nil, &past)
      }
      switch result {
      case .success(let count):
        guard count > 0, let kind = Fragment(rawValue: piece[0]) else {
          throw ChannelError(.malformedMessage, "a message came that no channel has sent")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: piece[1..<count])
        if let message = try joining.take(kind, bytes, limit: limit) { return .message(message) }
        if !stride.goesOn(after: count) { return .unfinished }
      case .failure(.timedOut), .failure(.wouldBlock):
        return try joining.arrival(from: state)
      case .failure(let reason): throw ChannelError(InterprocessError(call: "mq_receive", errno: reason))
      }
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
    var (byte, past) = (Fragment.wake.rawValue, timespec())
    // A full queue needs no waking.
    _ = ci_mq_send(queue.rawValue, &byte, 1, 0, &past)
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
      throw ChannelError(
        .truncatedMessage, "the other side ended in the middle of a message, \(partialByteCount ?? 0) bytes into it")
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
