import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// The word before each piece of a message in a ring: the ``Fragment`` it is in the lowest byte, and the length of the
/// whole message above.
struct RingPieceHead {
  static let byteCount = 8
  var word: UInt64

  init(_ kind: Fragment, total: Int) { word = UInt64(kind.rawValue) | UInt64(total) << 8 }
  init(word: UInt64) { self.word = UInt64(littleEndian: word) }

  var kind: Fragment? { Fragment(rawValue: UInt8(truncatingIfNeeded: word)) }
  var total: UInt64 { word >> 8 }
}

/// Messages going into a ring.
final class RingOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); the interrupter is for any thread.

  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var producer: RingProducer
  private let interrupter: RingInterrupter
  private let peer: PeerLife
  /// How much of a message goes into one record.
  private let largestPiece: Int
  @exclusivity(unchecked) private var sent: Int?
  @exclusivity(unchecked) private var wanted = 0

  init(_ producer: consuming RingProducer, _ peer: PeerLife) {
    interrupter = producer.interrupter
    // A quarter of the ring: while one piece is read another is written.
    largestPiece = producer.maximumMessageSize / 2 - RingPieceHead.byteCount
    self.producer = producer
    self.peer = peer
  }

  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    let size = message.byteCount
    if sent == nil, size <= largestPiece {
      return try trySend(message, from: 0, size, RingPieceHead(.whole, total: size)) ? .sent : .noRoom
    }
    var stride = Stride()
    while sent == nil || sent.map({ $0 < size }) == true {
      let done = sent ?? 0
      let taken = min(largestPiece, size - done)
      let head = RingPieceHead(sent == nil ? .first : .more, total: size)
      guard try trySend(message, from: done, taken, head) else { return .noRoom }
      sent = done + taken
      if !stride.goesOn(after: taken), done + taken < size { return .unfinished }
    }
    sent = nil
    return .sent
  }

  @inline(__always)
  private func trySend(
    _ message: RawSpan, from start: Int, _ count: Int, _ head: RingPieceHead
  ) throws(ChannelError) -> Bool {
    wanted = RingPieceHead.byteCount + count
    do {
      return try producer.trySend(head.word.littleEndian, message.extracting(start..<(start + count)))
    } catch {
      throw ChannelError.sending(error, peer)
    }
  }

  func waitForRoom(by deadline: Deadline) throws(ChannelError) {
    do {
      try producer.waitForRoom(byteCount: wanted, by: deadline)
    } catch {
      throw ChannelError.sending(error, peer)
    }
  }

  nonisolated(nonsending) func waitForRoom(by deadline: Deadline) async throws {
    do {
      try await producer.link.suspend(from: producer.seen, by: deadline, "Channel.send")
    } catch let error as InterprocessError {
      throw ChannelError.sending(error, peer)
    }
  }

  func abandon() -> Bool {
    sent = nil
    return true
  }

  func close(whileReceiving isReceiving: Bool) { producer.close() }

  func peerEnded() {
    // Closed or dead, it receives no more; what this side then throws is for `peer` to say.
    if peer.receiverState != .lives { interrupter.peerDied() }
  }
}

/// Messages coming out of a ring.
final class RingIncomingLine: IncomingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); the interrupter is for any thread.

  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var consumer: RingConsumer
  private let interrupter: RingInterrupter
  private let peer: PeerLife
  @exclusivity(unchecked) private var buffer = MessageBuffer()
  @exclusivity(unchecked) private var total: Int?
  /// Whether the pieces that come belong to a message that was refused.
  @exclusivity(unchecked) private var isSkipping = false
  /// Nobody waits for an answer: see ``letMessagesGather()``.
  @exclusivity(unchecked) private var isStream = false
  /// How many messages came since the last look at the producer's index.
  @exclusivity(unchecked) private var sinceLook = 0

  init(_ consumer: consuming RingConsumer, _ peer: PeerLife) {
    interrupter = consumer.interrupter
    self.consumer = consumer
    self.peer = peer
  }

  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    if total == nil { buffer.removeAll() }
    if isStream, consumer.hasTakenAllKnown { letMessagesGather() }
    var stride = Stride()
    while let size = try nextByteCount() {
      try takePiece(size, limit: limit)
      if buffer.count == total {
        total = nil
        sinceLook += 1
        return .message(buffer.bytes)
      }
      if !stride.goesOn(after: size) { return .unfinished }
    }
    guard consumer.hasEnded else { return .nothing }
    if total != nil { throw .truncated(after: buffer.count) }
    return .end
  }

  func note(isStream: Bool) { self.isStream = isStream }

  /// Each look takes the index's line from the producer, which then waits for it with its next message. So one that brought
  /// little is not followed by the next at once.
  private func letMessagesGather() {
    defer { sinceLook = 0 }
    guard (1...Self.few).contains(sinceLook) else { return }
    for _ in 0..<Self.pauses { ci_spin_pause() }
  }

  private static var few: Int { 8 }
  private static var pauses: Int { 16 }

  var hasNews: Bool { consumer.hasNews }

  var partialByteCount: Int? { total == nil ? nil : buffer.count }

  @inline(__always)
  private func nextByteCount() throws(ChannelError) -> Int? {
    do {
      return try consumer.tryNextByteCount()
    } catch {
      throw ChannelError.receiving(error, half: partialByteCount)
    }
  }

  /// Copies the piece that comes next, and checks the copy of its head.
  @inline(__always)
  private func takePiece(_ size: Int, limit: Int) throws(ChannelError) {
    let count = size - RingPieceHead.byteCount
    guard count >= 0 else { throw ChannelError.strangePiece }
    let head = RingPieceHead(word: consumer.nextWord)
    switch head.kind {
    case .whole, .first:
      guard head.total <= UInt64(limit) else { throw refuse(head, limit: limit) }
      buffer.removeAll()
      (total, isSkipping) = (Int(head.total), false)
    case .more where isSkipping: return consumer.consume()
    case .more: break
    case .wake, nil: throw ChannelError.strangePiece
    }
    guard let total, count <= total - buffer.count else { throw ChannelError.strangePiece }
    do {
      try buffer.append(room: count) { room in
        consumer.copyNext(into: room)
        return count
      }
    } catch {
      throw ChannelError(error)
    }
    consumer.consume()
  }

  /// Takes a message out that is too large: the next one can come, and the sender of this one does not wait for ever.
  @inline(never)
  private func refuse(_ head: RingPieceHead, limit: Int) -> ChannelError {
    (total, isSkipping) = (nil, head.kind == .first)
    consumer.consume()
    return .tooLarge(head.total, limit: limit, "announced")
  }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    do {
      _ = try consumer.waitForMessage(by: deadline)
    } catch {
      throw ChannelError.receiving(error, half: partialByteCount)
    }
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    do {
      try await consumer.link.suspend(
        from: consumer.seen, by: deadline, for: consumer.nextRecord, "Channel.receive")
    } catch let error as InterprocessError {
      throw ChannelError.receiving(error, half: partialByteCount)
    }
  }

  func close() { consumer.close() }

  func peerEnded() {
    // A peer that says goodbye has closed its ring before, and that is the end; one that has not is as good as dead.
    if peer.state != .lives { interrupter.peerDied() }
  }
}

extension RingProducer {
  /// Sends a word and some bytes as one message, if there is room for it.
  @inline(__always)
  fileprivate mutating func trySend(_ word: UInt64, _ bytes: RawSpan) throws(InterprocessError) -> Bool {
    guard var room = try tryReserve(MemoryLayout<UInt64>.size + bytes.byteCount) else { return false }
    room.withUnsafeMutableBytes { room in
      room.storeBytes(of: word, as: UInt64.self)
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: room[8...]).copyMemory(from: $0) }
    }
    commit()
    return true
  }
}

extension RingConsumer {
  /// The word that the next message begins with, copied: it has at least 8 bytes.
  ///
  /// Atomic, so that the compiler reads it once: what is checked is what is used.
  @inline(__always)
  fileprivate var nextWord: UInt64 {
    nextMessage.withUnsafeBytes { bytes in
      bytes.baseAddress.map { $0.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed) } ?? 0
    }
  }

  /// Copies what follows the next message's word into `room`, which is as large.
  @inline(__always)
  fileprivate func copyNext(into room: UnsafeMutableRawBufferPointer) {
    nextMessage.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[8...])) }
  }
}
