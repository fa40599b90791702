import CInterprocess
import Glibc
import SystemPackage

/// Messages going into a System V queue; a message's type is the ``Fragment`` it is.
final class SystemVQueueOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let id: CInt
  private let peer: PeerLife
  private let largest: Int
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var sent: Int?
  private let piece: TypedMessage
  /// What there was no room for, the piece as it is: there is no waiting for a queue but by sending to it.
  @exclusivity(unchecked) private var waiting: (kind: Fragment, size: Int, taken: Int)?

  init(id: CInt, _ peer: PeerLife) {
    self.id = id
    self.peer = peer
    // Half the queue at most, so that a piece can be sent while another is being received.
    largest = max(64, min(SystemVMessageQueue.largestMessage, (KernelParameter("kernel.msgmnb").value ?? 16384) / 2))
    piece = TypedMessage(byteCount: largest)
  }

  deinit { piece.deallocate() }

  @inline(__always)
  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    // Most messages are one call. What is in its way the same call finds again.
    if sent == nil, mayBlock, message.byteCount <= largest {
      piece.put(message, from: 0, message.byteCount, at: 0)
      if piece.send(to: id, .whole, message.byteCount, flags: 0) == 0 { return .sent }
    }
    return try goOn(with: message, mayBlock: mayBlock)
  }

  @inline(never)
  private func goOn(with message: RawSpan, mayBlock: Bool) throws(ChannelError) -> Departure {
    var stride = Stride()
    while sent.map({ $0 < message.byteCount }) ?? true {
      let next = fill(message)
      let result = valueOrErrno { piece.send(to: id, next.kind, next.size, flags: mayBlock ? 0 : IPC_NOWAIT) }
      if case .failure(.wouldBlock) = result {
        waiting = next
        return .noRoom
      }
      try check(result.map(Int.init))
      let done = (sent ?? 0) + next.taken
      sent = done
      if !stride.goesOn(after: next.taken), done < message.byteCount { return .unfinished }
    }
    sent = nil
    return .sent
  }

  /// Puts the next piece of a message together.
  private func fill(_ message: RawSpan) -> (kind: Fragment, size: Int, taken: Int) {
    let done = sent ?? 0
    let isWhole = sent == nil && message.byteCount <= largest
    let head = sent == nil && !isWhole ? Fragment.lengthSize : 0
    let taken = min(largest - head, message.byteCount - done)
    if head > 0 { piece.bytes.storeBytes(of: UInt64(message.byteCount).littleEndian, as: UInt64.self) }
    piece.put(message, from: done, taken, at: head)
    return (isWhole ? .whole : sent == nil ? .first : .more, head + taken, taken)
  }

  private func check(_ result: Result<Int, Errno>) throws(ChannelError) {
    guard case .failure(let reason) = result else { return }
    if let error = peer.sendingError { throw error }
    if reason == .identifierRemoved || reason == .invalidArgument {
      throw ChannelError(.peerClosed, "the other side has closed the channel")
    }
    if reason == .timedOut { throw .timedOut("Channel.send", "the other side takes no more") }
    throw ChannelError(InterprocessError(call: "msgsnd", object: "id \(id)", errno: reason))
  }

  func waitForRoom(by deadline: Deadline) throws(ChannelError) {
    guard let next = waiting else { return }
    let result = InterruptTimer.call(until: deadline) {
      Int(piece.send(to: id, next.kind, next.size, flags: 0))
    }
    try finishWaiting(next, result)
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    guard let next = waiting else { return }
    let result = try await WaitingThread.call(until: deadline) { [self] in
      singleCall { Int(piece.send(to: id, next.kind, next.size, flags: 0)) }
    }
    try finishWaiting(next, result)
  }

  private func finishWaiting(
    _ next: (kind: Fragment, size: Int, taken: Int), _ result: Result<Int, Errno>
  ) throws(ChannelError) {
    waiting = nil
    try check(result)
    sent = (sent ?? 0) + next.taken
  }

  func abandon() -> Bool {
    sent = nil
    waiting = nil
    return true
  }

  func close(whileReceiving isReceiving: Bool) {
    // Whoever still has something to receive removes the queue. There may be nobody any more, or somebody who is killed
    // before coming to it: so this side does where nothing is left, and to the receiver that is the end; or else once
    // the receiver has gone, if this process lives to see it.
    peer.look()
    if peer.receiverState != .lives || isEmpty {
      msgctl(id, IPC_RMID, nil)
    } else {
      peer.whenPeerHasGone { [id] in msgctl(id, IPC_RMID, nil) }
    }
  }

  /// Whether everything sent was received.
  private var isEmpty: Bool {
    var status = msqid_ds()
    return msgctl(id, IPC_STAT, &status) == 0 && status.msg_qnum == 0
  }

  func peerEnded() {
    // A peer that sends nothing more may be receiving still.
    if peer.receiverState != .lives { msgctl(id, IPC_RMID, nil) }
  }
}

/// Messages coming out of a System V queue.
final class SystemVQueueIncomingLine: IncomingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let id: CInt
  private let peer: PeerLife
  private let piece: TypedMessage
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var joining = Joining()
  var partialByteCount: Int? { joining.partialByteCount }
  /// How many bytes came while waiting: there is no waiting for a message but by receiving it.
  @exclusivity(unchecked) private var arrived: Int?

  init(id: CInt, _ peer: PeerLife) {
    self.id = id
    self.peer = peer
    piece = TypedMessage(byteCount: SystemVMessageQueue.largestMessage)
  }

  deinit { piece.deallocate() }

  @inline(__always)
  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    var stride = Stride()
    while true {
      let state = peer.state
      let result: Result<Int, Errno>
      if let count = arrived {
        arrived = nil
        result = .success(count)
      } else {
        let flags = mayBlock && state == .lives ? 0 : IPC_NOWAIT
        result = valueOrErrno { piece.receive(from: id, flags: flags) }
      }
      guard case .success(let count) = result else { return try arrival(of: result, state) }
      guard let kind = piece.kind else {
        throw ChannelError(.malformedMessage, "a message came that no channel has sent")
      }
      if let message = try joining.take(kind, piece.first(count), limit: limit) { return .message(message) }
      if !stride.goesOn(after: count) { return .unfinished }
    }
  }

  /// What it means that no message came.
  @inline(never)
  private func arrival(of result: Result<Int, Errno>, _ state: PeerLife.State) throws(ChannelError) -> Arrival {
    guard case .failure(let reason) = result else { return .unfinished }
    switch reason {
    case .noMessage: return try joining.arrival(from: state)
    // A sender that has seen this side close, or end, removes the queue.
    case .identifierRemoved, .invalidArgument: return try joining.arrival(from: state == .died ? .died : .closed)
    default: throw ChannelError(InterprocessError(call: "msgrcv", object: "id \(id)", errno: reason))
    }
  }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    try finishWaiting(InterruptTimer.call(until: deadline) { piece.receive(from: id, flags: 0) })
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    let result = try await WaitingThread.call(until: deadline) { [self] in
      singleCall { piece.receive(from: id, flags: 0) }
    }
    try finishWaiting(result)
  }

  private func finishWaiting(_ result: Result<Int, Errno>) throws(ChannelError) {
    switch result {
    case .success(let count): arrived = count
    case .failure(.timedOut): throw .timedOut("Channel.receive", "no message came")
    // The next look says what that means.
    case .failure(.identifierRemoved), .failure(.invalidArgument): return
    case .failure(let reason): throw ChannelError(InterprocessError(call: "msgrcv", object: "id \(id)", errno: reason))
    }
  }

  func close() { msgctl(id, IPC_RMID, nil) }

  func peerEnded() { ci_msgsnd(id, Int(Fragment.wake.rawValue), nil, 0, IPC_NOWAIT) }
}

/// A message of a System V queue as the kernel has it: the type, and behind it the bytes. See ``CopyAlignment`` for where
/// they lie.
private struct TypedMessage {
  private let memory: UnsafeMutableRawPointer
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    let place = CopyAlignment.place(from: MemoryLayout<CLong>.size)
    memory = .allocate(byteCount: place + byteCount, alignment: CopyAlignment.page)
    bytes = UnsafeMutableRawBufferPointer(start: memory + place, count: byteCount)
  }

  func deallocate() { memory.deallocate() }

  private var start: UnsafeMutableRawPointer {
    memory + (CopyAlignment.place(from: MemoryLayout<CLong>.size) - MemoryLayout<CLong>.size)
  }

  /// `nil` where no channel has sent it.
  var kind: Fragment? { UInt8(exactly: start.load(as: CLong.self)).flatMap(Fragment.init(rawValue:)) }

  func first(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes.prefix(count)) }

  @inline(__always)
  func put(_ message: RawSpan, from done: Int, _ count: Int, at offset: Int) {
    message.withUnsafeBytes { storage in
      UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[done..<(done + count)]))
    }
  }

  @inline(__always)
  func send(to id: CInt, _ kind: Fragment, _ count: Int, flags: CInt) -> CInt {
    start.storeBytes(of: CLong(kind.rawValue), as: CLong.self)
    return msgsnd(id, start, count, flags)
  }

  @inline(__always)
  func receive(from id: CInt, flags: CInt) -> Int { msgrcv(id, start, bytes.count, 0, flags) }
}
