import CInterprocess
import Glibc
import SystemPackage

/// Messages going into a System V queue; a message's type is the ``Fragment`` it is.
final class SystemVQueueOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); what peerEnded() uses does not change.

  private let id: CInt
  private let peer: PeerLife
  private let largest: Int
  private var sent: Int?
  /// The piece for which there was no room, for whoever waits: there is no waiting for a queue but by sending to it.
  private var piece: UnsafeMutableRawBufferPointer
  private var waiting: (kind: Fragment, size: Int, taken: Int)?

  init(id: CInt, _ peer: PeerLife) {
    self.id = id
    self.peer = peer
    // Half the queue at most, so that a piece can be sent while another is being received.
    largest = max(64, min(SystemVMessageQueue.largestMessage, (KernelParameter("kernel.msgmnb").value ?? 16384) / 2))
    piece = .allocate(byteCount: largest, alignment: 16)
  }

  deinit { piece.deallocate() }

  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    var stride = Stride()
    while sent.map({ $0 < message.byteCount }) ?? true {
      let next = self.next(of: message)
      let result = message.withUnsafeBytes { storage in
        let bytes = content(next, storage)
        return valueOrErrno {
          ci_msgsnd(id, Int(next.kind.rawValue), bytes.baseAddress, bytes.count, mayBlock ? 0 : IPC_NOWAIT)
        }
      }
      if case .failure(.wouldBlock) = result {
        keep(next, message)
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

  private func next(of message: RawSpan) -> (kind: Fragment, size: Int, taken: Int) {
    let done = sent ?? 0
    if sent == nil, message.byteCount <= largest { return (.whole, message.byteCount, message.byteCount) }
    let head = sent == nil ? Fragment.lengthSize : 0
    let taken = min(largest - head, message.byteCount - done)
    return (sent == nil ? .first : .more, head + taken, taken)
  }

  /// The bytes of a piece: those of the message itself, where nothing stands before them.
  private func content(
    _ next: (kind: Fragment, size: Int, taken: Int), _ storage: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    let bytes = UnsafeRawBufferPointer(rebasing: storage[(sent ?? 0)..<((sent ?? 0) + next.taken)])
    guard next.kind == .first else { return bytes }
    piece.storeBytes(of: UInt64(storage.count).littleEndian, as: UInt64.self)
    UnsafeMutableRawBufferPointer(rebasing: piece[Fragment.lengthSize...]).copyMemory(from: bytes)
    return UnsafeRawBufferPointer(rebasing: piece[..<next.size])
  }

  private func keep(_ next: (kind: Fragment, size: Int, taken: Int), _ message: RawSpan) {
    message.withUnsafeBytes { storage in
      let bytes = content(next, storage)
      if next.kind != .first { piece.copyMemory(from: bytes) }
    }
    waiting = next
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
      Int(ci_msgsnd(id, Int(next.kind.rawValue), piece.baseAddress, next.size, 0))
    }
    try finishWaiting(next, result)
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    guard let next = waiting else { return }
    let result = try await WaitingThread.call(until: deadline) { [self] in
      singleCall { Int(ci_msgsnd(id, Int(next.kind.rawValue), piece.baseAddress, next.size, 0)) }
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
  private let piece: UnsafeMutableRawBufferPointer
  private var joining = Joining()
  var partialByteCount: Int? { joining.partialByteCount }
  /// What came while waiting: there is no waiting for a message but by receiving it.
  private var arrived: (kind: Int, count: Int)?

  init(id: CInt, _ peer: PeerLife) {
    self.id = id
    self.peer = peer
    piece = .allocate(byteCount: SystemVMessageQueue.largestMessage, alignment: 16)
  }

  deinit { piece.deallocate() }

  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    var stride = Stride()
    while true {
      let state = peer.state
      var kind = 0
      let result: Result<Int, Errno>
      if let arrived {
        (kind, result) = (arrived.kind, .success(arrived.count))
        self.arrived = nil
      } else {
        let flags = mayBlock && state == .lives ? 0 : IPC_NOWAIT
        result = valueOrErrno { ci_msgrcv(id, &kind, piece.baseAddress, piece.count, 0, flags) }
      }
      switch result {
      case .success(let count):
        guard let kind = UInt8(exactly: kind).flatMap(Fragment.init(rawValue:)) else {
          throw ChannelError(.malformedMessage, "a message came that no channel has sent")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: piece[..<count])
        if let message = try joining.take(kind, bytes, limit: limit) { return .message(message) }
        if !stride.goesOn(after: count) { return .unfinished }
      case .failure(.noMessage): return try joining.arrival(from: state)
      // A sender that has seen this side close, or end, removes the queue.
      case .failure(.identifierRemoved), .failure(.invalidArgument):
        return try joining.arrival(from: state == .died ? .died : .closed)
      case .failure(let reason):
        throw ChannelError(InterprocessError(call: "msgrcv", object: "id \(id)", errno: reason))
      }
    }
  }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    var kind = 0
    let result = InterruptTimer.call(until: deadline) {
      ci_msgrcv(id, &kind, piece.baseAddress, piece.count, 0, 0)
    }
    try finishWaiting(result.map { (kind, $0) })
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    let result = try await WaitingThread.call(until: deadline) { [self] in
      var kind = 0
      let count = singleCall { ci_msgrcv(id, &kind, piece.baseAddress, piece.count, 0, 0) }
      return count.map { (kind, $0) }
    }
    try finishWaiting(result)
  }

  private func finishWaiting(_ result: Result<(Int, Int), Errno>) throws(ChannelError) {
    switch result {
    case .success((let kind, let count)): arrived = (kind, count)
    case .failure(.timedOut): throw .timedOut("Channel.receive", "no message came")
    // The next look says what that means.
    case .failure(.identifierRemoved), .failure(.invalidArgument): return
    case .failure(let reason): throw ChannelError(InterprocessError(call: "msgrcv", object: "id \(id)", errno: reason))
    }
  }

  func close() { msgctl(id, IPC_RMID, nil) }

  func peerEnded() { ci_msgsnd(id, Int(Fragment.wake.rawValue), nil, 0, IPC_NOWAIT) }
}
