import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Messages going into a file, as ``FileCircle`` says.
final class FileOutgoingLine: OutgoingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); the interrupter is for any thread.

  private let file: OwnedDescriptor
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var producer: RingProducer
  private let interrupter: RingInterrupter
  private let peer: PeerLife
  @exclusivity(unchecked) private var sent: Int?
  /// How many pieces were written, and where in the circle the last one ends.
  @exclusivity(unchecked) private var pieces: UInt64 = 0
  @exclusivity(unchecked) private var end: UInt64 = 0
  /// Up to where the other side has read, as far as is known.
  @exclusivity(unchecked) private var start: UInt64 = 0
  /// Where each piece ended that may not be read yet, by its number: twice as many as the ring holds, as the last one that
  /// was read is among them.
  @exclusivity(unchecked) private var ends = [UInt64](
    repeating: 0, count: 2 * FileCircle.ringCapacity / FileCircle.recordByteCount)

  init(_ file: consuming OwnedDescriptor, _ producer: consuming RingProducer, _ peer: PeerLife) {
    interrupter = producer.interrupter
    self.file = file
    self.producer = producer
    self.peer = peer
  }

  func trySend(_ message: RawSpan, passing descriptors: [CInt], mayBlock: Bool) throws(ChannelError) -> Departure {
    let size = message.byteCount
    var stride = Stride()
    while true {
      let done = sent ?? 0
      let taken = min(FileCircle.largestPiece, size - done)
      let kind: Fragment = taken == size ? .whole : sent == nil ? .first : .more
      let piece = message.extracting(done..<(done + taken))
      guard try put(piece, RingPieceHead(kind, total: size)) else { return .noRoom }
      sent = done + taken
      if done + taken == size { break }
      if !stride.goesOn(after: taken) { return .unfinished }
    }
    sent = nil
    return .sent
  }

  /// Writes a piece and says where it is, if there is room for it.
  @inline(__always)
  private func put(_ piece: RawSpan, _ head: RingPieceHead) throws(ChannelError) -> Bool {
    let position = FileCircle.place(of: piece.byteCount, behind: end)
    let next = position &+ UInt64(piece.byteCount)
    do throws(InterprocessError) {
      guard try producer.hasRoom(for: FilePlace.byteCount), try hasRoom(to: next) else { return false }
      let place = FilePlace(head: head, offset: FileCircle.offset(of: position), count: piece.byteCount)
      try write(piece, at: place.offset)
      guard try producer.trySend(place.words) else { return false }
    } catch {
      throw .sending(error, peer)
    }
    ends[Int(truncatingIfNeeded: pieces) & (ends.count - 1)] = next
    pieces &+= 1
    end = next
    return true
  }

  @inline(__always)
  private func hasRoom(to next: UInt64) throws(InterprocessError) -> Bool {
    if next &- start <= UInt64(FileCircle.capacity) { return true }
    let read = try producer.lookAtConsumer() / UInt64(FileCircle.recordByteCount)
    // What the other side says is no more than it was told of: the producer sees to that.
    if read > 0 { start = ends[Int(truncatingIfNeeded: read &- 1) & (ends.count - 1)] }
    return next &- start <= UInt64(FileCircle.capacity)
  }

  @inline(__always)
  private func write(_ piece: RawSpan, at offset: Int) throws(InterprocessError) {
    var done = 0
    while done < piece.byteCount {
      let count = try systemCall("pwrite", "a channel's file") {
        piece.withUnsafeBytes { bytes in
          pwrite(
            file.rawValue, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
        }
      }
      guard count > 0 else {
        throw InterprocessError(call: "pwrite", object: "a channel's file", errno: .ioError, remedy: "it takes nothing")
      }
      done += count
    }
  }

  func waitForRoom(by deadline: Deadline) throws(ChannelError) {
    do {
      try producer.link.waitForChange(from: producer.seen, by: deadline, "Channel.send")
    } catch {
      throw .sending(error, peer)
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
    // As of a ring: what this side then throws is for `peer` to say.
    if peer.receiverState != .lives { interrupter.peerDied() }
  }
}

/// Messages coming out of a file.
final class FileIncomingLine: IncomingLine, @unchecked Sendable {
  // Sendable: its state is touched by one caller at a time (Channel's turn); the interrupter is for any thread.

  private let file: OwnedDescriptor
  // Not checked at run time for the same reason.
  @exclusivity(unchecked) private var consumer: RingConsumer
  private let interrupter: RingInterrupter
  private let peer: PeerLife
  @exclusivity(unchecked) private var joining = Joining()
  /// How much was read since the sender was told so.
  @exclusivity(unchecked) private var untold = 0

  init(_ file: consuming OwnedDescriptor, _ consumer: consuming RingConsumer, _ peer: PeerLife) {
    interrupter = consumer.interrupter
    self.file = file
    self.consumer = consumer
    self.peer = peer
  }

  func tryReceive(limit: Int, mayBlock: Bool) throws(ChannelError) -> Arrival {
    joining.forgetLast()
    var stride = Stride()
    while let size = try nextByteCount() {
      guard size == FilePlace.byteCount, let place = FilePlace(words: consumer.nextWords) else {
        throw ChannelError.strangePiece
      }
      // Whatever becomes of it: the next one can come, and the sender does not wait for ever.
      defer { pass(place.count) }
      let message = try joining.take(place.head, count: place.count, limit: limit) { room throws(InterprocessError) in
        try read(place, into: room)
      }
      if let message { return .message(message) }
      if !stride.goesOn(after: place.count) { return .unfinished }
    }
    guard consumer.hasEnded else { return .nothing }
    if let count = joining.partialByteCount { throw .truncated(after: count) }
    return .end
  }

  @inline(__always)
  private func nextByteCount() throws(ChannelError) -> Int? {
    do {
      return try consumer.tryNextByteCount()
    } catch {
      throw .receiving(error, half: joining.partialByteCount)
    }
  }

  @inline(__always)
  private func read(_ place: FilePlace, into room: UnsafeMutableRawBufferPointer) throws(InterprocessError) {
    var done = 0
    while done < room.count {
      let count = try systemCall("pread", "a channel's file") {
        pread(file.rawValue, room.baseAddress.map { $0 + done }, room.count - done, off_t(place.offset + done))
      }
      guard count > 0 else {
        throw InterprocessError(
          call: "pread", object: "a channel's file", errno: .badMessage, remedy: "the other side has made it shorter")
      }
      done += count
    }
  }

  /// The sender is told of what was read before it has to wait for all of it.
  @inline(__always)
  private func pass(_ byteCount: Int) {
    consumer.consume()
    untold += byteCount
    if untold >= FileCircle.worthTelling {
      untold = 0
      consumer.publish()
    }
  }

  var hasNews: Bool { consumer.hasNews }

  var partialByteCount: Int? { joining.partialByteCount }

  func waitForMessage(by deadline: Deadline) throws(ChannelError) {
    do {
      _ = try consumer.waitForMessage(by: deadline)
    } catch {
      throw .receiving(error, half: joining.partialByteCount)
    }
  }

  nonisolated(nonsending) func waitForMessage(by deadline: Deadline) async throws {
    do {
      try await consumer.link.suspend(
        from: consumer.seen, by: deadline, for: consumer.nextRecord, "Channel.receive")
    } catch let error as InterprocessError {
      throw ChannelError.receiving(error, half: joining.partialByteCount)
    }
  }

  func close() { consumer.close() }

  func peerEnded() {
    if peer.state != .lives { interrupter.peerDied() }
  }
}

extension RingProducer {
  /// Sends three words, if there is room for them.
  @inline(__always)
  fileprivate mutating func trySend(_ words: (UInt64, UInt64, UInt64)) throws(InterprocessError) -> Bool {
    guard var room = try tryReserve(FilePlace.byteCount) else { return false }
    room.withUnsafeMutableBytes { room in
      room.storeBytes(of: words.0, as: UInt64.self)
      room.storeBytes(of: words.1, toByteOffset: 8, as: UInt64.self)
      room.storeBytes(of: words.2, toByteOffset: 16, as: UInt64.self)
    }
    commit()
    return true
  }
}

extension RingConsumer {
  /// The next message, whose length has been looked at, as words, each of them read once.
  @inline(__always)
  fileprivate var nextWords: (UInt64, UInt64, UInt64) {
    nextMessage.withUnsafeBytes { bytes in
      guard let words = bytes.baseAddress?.assumingMemoryBound(to: Atomic<UInt64>.self) else { return (0, 0, 0) }
      return (
        words[0].load(ordering: .relaxed), words[1].load(ordering: .relaxed), words[2].load(ordering: .relaxed)
      )
    }
  }
}
