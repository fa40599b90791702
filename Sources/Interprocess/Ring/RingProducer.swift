import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// The side of a ``Ring`` that sends. One thread at a time uses it.
///
/// When it goes, it closes the ring: what was sent is still received, and then the end.
public struct RingProducer: ~Copyable, @unchecked Sendable {
  // Sendable: it has one owner, and what it shares with the other side is atomic, or ordered by what is.

  var link: RingLink
  private let place: RingPlace
  private let capacity: UInt64
  /// Where the next record goes. What lies before it and after `published` is staged.
  private var tail: UInt64
  private var published: UInt64
  /// How far the consumer was when last looked.
  private var head: UInt64
  /// The record that is being written, if any.
  private var reservation: Reservation?
  private var isBroken = false
  private var isClosed = false

  private struct Reservation {
    /// Bytes to leave out, up to the end of the memory.
    let skipped: Int
    let byteCount: Int
  }

  /// The largest message in bytes: a record takes at most half of the ring.
  public let maximumMessageSize: Int

  /// Becomes the producer of a ring.
  ///
  /// - Parameters:
  ///   - mapping: the memory; it stays mapped for as long as the producer needs it.
  ///   - offset: where in it the ring lies.
  ///   - bell: what the consumer rings when there is room again and this side has armed it: for event loops and tasks.
  ///   - consumerBell: what to ring for the consumer when it has armed it.
  /// - Throws: `Errno.invalidArgument` when there is no ring, or its header is not true; `Errno.resourceBusy` when it has
  ///   or had a producer; `Errno.badMessage` when the consumer's index makes no sense.
  public init(
    attachingTo mapping: borrowing Mapping, at offset: Int = 0, bell: consuming EventCounter? = nil,
    consumerBell: consuming EventCounter? = nil
  ) throws(InterprocessError) {
    try self.init(attachingTo: mapping, at: offset, RingBell(bell), RingBell(consumerBell))
  }

  /// - Parameter consumerBell: `nil` also where the consumer has the other end of `bell`.
  init(
    attachingTo mapping: borrowing Mapping, at offset: Int, _ bell: consuming RingBell?,
    _ consumerBell: consuming RingBell? = nil
  ) throws(InterprocessError) {
    let place = try RingPlace(in: mapping, at: offset)
    // Of a fresh ring both are 0. Acquiring pairs with the consumer's publish().
    let index = place.producer.index.pointee.load(ordering: .relaxed)
    let peer = place.consumer.index.pointee.load(ordering: .acquiring)
    guard index &- peer <= UInt64(place.capacity), index % UInt64(RingPlace.lengthByteCount) == 0 else {
      throw place.broken("Ring", "indices that make no sense")
    }
    link = try RingLink(
      place, own: place.producer, peer: place.consumer, bell: bell, peerBell: consumerBell, "producer")
    self.place = place
    capacity = UInt64(place.capacity)
    maximumMessageSize = Ring.maximumMessageSize(capacity: place.capacity)
    tail = index
    published = index
    head = peer
  }

  deinit {
    if !isClosed {
      if published != tail { link.publish(tail) }
      link.close()
    }
  }

  /// Wakes this side from any thread when the consumer's process has died.
  public var interrupter: RingInterrupter { link.interrupter }

  /// Says that nothing more comes. The consumer gets what was sent, and then the end. Closing again does nothing.
  public mutating func close() {
    if isClosed { return }
    reservation = nil
    publish()
    isClosed = true
    link.close()
  }

  // MARK: Sending

  /// Sends a message, unless there is no room for it now.
  ///
  /// - Returns: whether it was sent.
  /// - Throws: `Errno.messageTooLong` above ``maximumMessageSize``; `Errno.brokenPipe` when the consumer has closed, or
  ///   this side has; `Errno.connectionReset` when the consumer's process has died, see ``RingInterrupter/peerDied()``;
  ///   `Errno.badMessage` when it has written nonsense into the memory.
  public mutating func trySend(_ message: RawSpan) throws(InterprocessError) -> Bool {
    guard try tryStage(message) else { return false }
    publish()
    return true
  }

  /// Sends a message, unless there is no room for it now. See ``trySend(_:)``.
  public mutating func trySend(_ message: [UInt8]) throws(InterprocessError) -> Bool {
    try trySend(message.span.bytes)
  }

  /// Puts a message into the ring and does not show it to the consumer yet: many small messages cost less when they are
  /// shown at once, by ``publish()`` or the next message that is sent.
  ///
  /// - Returns: whether there was room for it. Where there was none, publish, or it will not come.
  /// - Throws: as `trySend(_:)` does.
  public mutating func tryStage(_ message: RawSpan) throws(InterprocessError) -> Bool {
    guard let (reservation, place) = try room(for: message.byteCount) else { return false }
    // What was reserved lies where this message goes.
    self.reservation = nil
    reach(.beforePayload)
    message.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress { copyBytes(from: start, to: place, count: bytes.count) }
    }
    append(reservation, byteCount: message.byteCount)
    return true
  }

  /// Shows the consumer what was staged, and wakes it if it waits.
  public mutating func publish() {
    if published == tail { return }
    published = tail
    link.publish(tail)
  }

  // MARK: Writing in place

  /// Room for a message of `byteCount` bytes in the ring itself, to write it there; ``commit(byteCount:)`` sends it.
  ///
  /// Its bytes are whatever was there before, and lie at a multiple of 8. Reserving again forgets it.
  ///
  /// - Returns: `nil` when there is no room now.
  /// - Throws: as `trySend(_:)` does.
  @_lifetime(&self)
  public mutating func tryReserve(_ byteCount: Int) throws(InterprocessError) -> MutableRawSpan? {
    reservation = nil
    guard let (reservation, place) = try room(for: byteCount) else { return nil }
    self.reservation = reservation
    let span = unsafe MutableRawSpan(_unsafeStart: place, byteCount: byteCount)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// Sends the message that was written in place. Without a reservation it does nothing.
  ///
  /// - Parameter byteCount: how long it has become, at most what was reserved; `nil` for all of it.
  public mutating func commit(byteCount: Int? = nil) {
    stageReservation(byteCount: byteCount)
    publish()
  }

  /// Stages the message that was written in place. See ``tryStage(_:)``.
  public mutating func stageReservation(byteCount: Int? = nil) {
    guard let reservation else { return }
    self.reservation = nil
    append(reservation, byteCount: min(max(byteCount ?? reservation.byteCount, 0), reservation.byteCount))
  }

  // MARK: The ring's memory

  /// Where the bytes of the next message go, if there is room for it.
  @inline(__always)
  private mutating func room(
    for byteCount: Int
  ) throws(InterprocessError) -> (Reservation, UnsafeMutableRawPointer)? {
    guard byteCount >= 0, byteCount <= maximumMessageSize else { throw tooLong(byteCount) }
    if link.isPeerClosed || link.interrupter.isRaised || isBroken || isClosed { try checkPeer() }
    let offset = place.offset(of: tail)
    let record = RingPlace.recordByteCount(byteCount)
    let left = place.capacity - offset
    let skipped = left < record ? left : 0
    let needed = UInt64(truncatingIfNeeded: skipped + record)
    if capacity &- (tail &- head) < needed {
      try lookForRoom()
      if capacity &- (tail &- head) < needed { return nil }
    }
    let start = skipped > 0 ? 0 : offset
    return (Reservation(skipped: skipped, byteCount: byteCount), place.records + start + RingPlace.lengthByteCount)
  }

  /// Writes the lengths of a record whose bytes are there.
  @inline(__always)
  private mutating func append(_ reservation: Reservation, byteCount: Int) {
    reach(.beforeLength)
    // Relaxed, both lengths: the index that is published later releases it all.
    if reservation.skipped > 0 {
      place.length(at: tail).pointee.store(RingPlace.skip, ordering: .relaxed)
      tail &+= UInt64(truncatingIfNeeded: reservation.skipped)
    }
    place.length(at: tail).pointee.store(UInt64(truncatingIfNeeded: byteCount), ordering: .relaxed)
    tail &+= UInt64(truncatingIfNeeded: RingPlace.recordByteCount(byteCount))
  }

  /// Looks how far the consumer is. A copy is checked, and used.
  @inline(never)
  private mutating func lookForRoom() throws(InterprocessError) {
    // Pairs with the releasing store in the consumer's publish(): it has read what is written over next.
    let found = link.peer.index.pointee.load(ordering: .acquiring)
    // Between what it was and what has been published.
    guard found &- head <= published &- head else {
      isBroken = true
      throw place.broken("RingProducer", "an index that makes no sense (\(found))")
    }
    head = found
  }

  @inline(never)
  private func checkPeer() throws(InterprocessError) {
    let call: StaticString = "RingProducer"
    if isBroken { throw place.broken(call, "an index that makes no sense") }
    if isClosed { throw ended("this producer has closed the ring") }
    // In this order: a consumer that closes and then ends has closed.
    let isDead = link.interrupter.isPeerDead
    if link.isPeerClosed { throw ended("the consumer has closed the ring") }
    if isDead { throw place.peerDied(call) }
  }

  private func ended(_ why: String) -> InterprocessError {
    InterprocessError(call: "RingProducer", object: place.described, errno: .brokenPipe, remedy: why)
  }

  @inline(never)
  private func tooLong(_ byteCount: Int) -> InterprocessError {
    InterprocessError(
      call: "RingProducer", object: place.described, errno: .messageTooLong,
      remedy: "\(byteCount) bytes; this ring takes messages of 0 to \(maximumMessageSize)")
  }

  /// Looks how far the consumer is.
  ///
  /// - Returns: how many bytes of records it has ever taken out: of those that were published, never more.
  mutating func lookAtConsumer() throws(InterprocessError) -> UInt64 {
    try lookForRoom()
    return head
  }

  /// What the producer has seen of the consumer: when that changes, there may be room.
  var seen: UInt64 { head }
}
