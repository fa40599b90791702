import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// The side of a ``Ring`` that receives. One thread at a time uses it.
///
/// When it goes, it closes the ring: the producer is told when it sends.
public struct RingConsumer: ~Copyable, @unchecked Sendable {
  // Sendable: it has one owner, and what it shares with the other side is atomic, or ordered by what is.

  var link: RingLink
  private let place: RingPlace
  /// Where the next record begins. What lies before it and after `published` is free, and the producer not told yet.
  private var head: UInt64
  private var published: UInt64
  /// How far the producer was when last looked.
  private var tail: UInt64
  /// The next message's length, once it has been read from the record at `head`: it is read once.
  private var next: Int?
  private var isBroken = false
  private var isClosed = false

  /// Whether the producer has closed the ring and every message has been received: nothing more will come.
  public private(set) var hasEnded = false

  /// The largest message that can come, in bytes.
  public let maximumMessageSize: Int

  /// The producer is told of free memory when there is so much of it, or the ring is empty: for each message would cost
  /// it a cache miss a message.
  private let worthTelling: UInt64

  /// Becomes the consumer of a ring.
  ///
  /// - Parameters:
  ///   - mapping: the memory; it stays mapped for as long as the consumer needs it.
  ///   - offset: where in it the ring lies.
  ///   - bell: what the producer rings when a message has come and this side has armed it: for event loops and tasks.
  ///   - producerBell: what to ring for the producer when it has armed it.
  /// - Throws: `Errno.invalidArgument` when there is no ring, or its header is not true; `Errno.resourceBusy` when it has
  ///   or had a consumer; `Errno.badMessage` when the producer's index makes no sense.
  public init(
    attachingTo mapping: borrowing Mapping, at offset: Int = 0, bell: consuming EventCounter? = nil,
    producerBell: consuming EventCounter? = nil
  ) throws(InterprocessError) {
    try self.init(attachingTo: mapping, at: offset, RingBell(bell), RingBell(producerBell))
  }

  /// - Parameter producerBell: `nil` also where the producer has the other end of `bell`.
  init(
    attachingTo mapping: borrowing Mapping, at offset: Int, _ bell: consuming RingBell?,
    _ producerBell: consuming RingBell? = nil
  ) throws(InterprocessError) {
    let place = try RingPlace(in: mapping, at: offset)
    // Of a fresh ring it is 0.
    let index = place.consumer.index.pointee.load(ordering: .relaxed)
    guard index % UInt64(RingPlace.lengthByteCount) == 0 else {
      throw place.broken("Ring", "an index that makes no sense")
    }
    link = try RingLink(
      place, own: place.consumer, peer: place.producer, bell: bell, peerBell: producerBell, "consumer")
    self.place = place
    maximumMessageSize = Ring.maximumMessageSize(capacity: place.capacity)
    worthTelling = UInt64(place.capacity / 8)
    head = index
    published = index
    tail = index
  }

  deinit {
    if !isClosed { link.close() }
  }

  /// Wakes this side from any thread when the producer's process has died.
  public var interrupter: RingInterrupter { link.interrupter }

  /// Says that nothing more will be received: the producer gets `Errno.brokenPipe`. Closing again does nothing.
  public mutating func close() {
    if isClosed { return }
    isClosed = true
    next = nil
    link.close()
  }

  // MARK: Receiving

  /// The length in bytes of the message that comes next, if it is there already.
  ///
  /// - Returns: `nil` when there is none now; see ``hasEnded``.
  /// - Throws: `Errno.connectionReset` when the producer's process has died and every message has been received;
  ///   `Errno.badMessage` when it has written nonsense into the memory; `Errno.badFileDescriptor` after ``close()``.
  public mutating func tryNextByteCount() throws(InterprocessError) -> Int? {
    if let next { return next }
    if tail == head || isClosed || isBroken {
      guard try refill() else { return nil }
    }
    return try readLength()
  }

  /// Receives a message, if one is there, and appends it to `buffer`.
  ///
  /// - Returns: its length in bytes; `nil` when there is none now, see ``hasEnded``.
  /// - Throws: `Errno.noBufferSpace` when it does not fit: it stays, and ``tryNextByteCount()`` says how long it is; and
  ///   what that throws.
  public mutating func tryReceive(into buffer: inout OutputRawSpan) throws(InterprocessError) -> Int? {
    guard let byteCount = try tryNextByteCount() else { return nil }
    guard buffer.freeCapacity >= byteCount else { throw tooLong(byteCount, for: buffer.freeCapacity) }
    reach(.beforeRead)
    let start = bytes
    buffer.appendBytes { free in
      if let target = free.baseAddress { memcpy(target, start, byteCount) }
      return (byteCount, ())
    }
    reach(.afterRead)
    pass(byteCount)
    return byteCount
  }

  /// Receives a message, if one is there. Its memory is allocated, as much as it is long: at most ``maximumMessageSize``.
  ///
  /// - Returns: `nil` when there is none now; see ``hasEnded``.
  /// - Throws: what ``tryNextByteCount()`` throws.
  public mutating func tryReceive() throws(InterprocessError) -> [UInt8]? {
    guard let byteCount = try tryNextByteCount() else { return nil }
    reach(.beforeRead)
    let start = bytes
    let message = [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      if let target = target.baseAddress { memcpy(target, start, byteCount) }
      count = byteCount
    }
    reach(.afterRead)
    pass(byteCount)
    return message
  }

  // MARK: Reading in place, for a trusted peer

  /// The message that comes next, where it lies in the ring; ``consume()`` takes it out.
  ///
  /// **For a producer that is trusted.** It could still change the bytes while they are read, and a value that was
  /// checked may be another one when it is used.
  ///
  /// - Returns: `nil` when there is none now; see ``hasEnded``.
  /// - Throws: what ``tryNextByteCount()`` throws.
  @_lifetime(&self)
  public mutating func tryPeekTrustingPeer() throws(InterprocessError) -> RawSpan? {
    guard try tryNextByteCount() != nil else { return nil }
    return nextMessage
  }

  /// The message at `head`; empty before its length has been read.
  var nextMessage: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: bytes, byteCount: next ?? 0)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Whether every message has been taken out that was there at the last look.
  var hasTakenAllKnown: Bool { head == tail }

  /// Takes out the message that comes next, whose length has been asked for or whose bytes were read in place. Otherwise
  /// it does nothing.
  public mutating func consume() {
    guard let next else { return }
    pass(next)
  }

  // MARK: The ring's memory

  /// The bytes of the message at `head`, whose length has been read and checked.
  private var bytes: UnsafeMutableRawPointer {
    place.records + place.offset(of: head) + RingPlace.lengthByteCount
  }

  /// Goes past the message at `head`, and tells the producer if that is worth it.
  @inline(__always)
  private mutating func pass(_ byteCount: Int) {
    next = nil
    head &+= UInt64(truncatingIfNeeded: RingPlace.recordByteCount(byteCount))
    // When all that is known has been received the producer is told in any case: it may wait for the whole ring.
    if head == tail || head &- published >= worthTelling { publish() }
  }

  /// Tells the producer of everything that was taken out.
  mutating func publish() {
    if published == head { return }
    reach(.beforeHead)
    published = head
    link.publish(head)
  }

  /// Looks for more messages.
  ///
  /// - Returns: whether there are some.
  @inline(never)
  private mutating func refill() throws(InterprocessError) -> Bool {
    let call: StaticString = "RingConsumer"
    if isBroken { throw place.broken(call, "what is no message") }
    if isClosed {
      throw InterprocessError(
        call: "\(call)", object: place.described, errno: .badFileDescriptor, remedy: "it is closed")
    }
    // In this order: a producer that closes and then ends has closed. Both before the index: what was published before
    // the end is not missed.
    let isDead = link.interrupter.isPeerDead
    reach(.betweenLooks)
    let isAtEnd = link.isPeerClosed
    // Pairs with the releasing store in the producer's publish(): the records up to here are complete.
    let found = link.peer.index.pointee.load(ordering: .acquiring)
    if found == tail {
      hasEnded = isAtEnd
      if isDead && !isAtEnd { throw place.peerDied(call) }
      return false
    }
    guard found &- head <= UInt64(place.capacity), found % UInt64(RingPlace.lengthByteCount) == 0 else {
      throw broken("an index that makes no sense (\(found))")
    }
    tail = found
    return true
  }

  /// Reads the length of the record at `head`, once, and checks that it lies within what was published.
  @inline(__always)
  private mutating func readLength() throws(InterprocessError) -> Int {
    // Relaxed, here and below: refill() has acquired the index that released it.
    var length = place.length(at: head).pointee.load(ordering: .relaxed)
    if length == RingPlace.skip {
      try skipToStart()
      length = place.length(at: head).pointee.load(ordering: .relaxed)
    }
    let known = min(tail &- head, UInt64(truncatingIfNeeded: place.capacity - place.offset(of: head)))
    guard length <= UInt64(truncatingIfNeeded: maximumMessageSize),
      UInt64(truncatingIfNeeded: RingPlace.recordByteCount(Int(truncatingIfNeeded: length))) <= known
    else { throw broken("a length that makes no sense (\(length))") }
    let byteCount = Int(truncatingIfNeeded: length)
    next = byteCount
    return byteCount
  }

  /// Leaves out what is left before the end of the memory: a record follows at its start, and no second skip.
  @inline(never)
  private mutating func skipToStart() throws(InterprocessError) {
    let offset = place.offset(of: head)
    let skipped = UInt64(truncatingIfNeeded: place.capacity - offset)
    guard offset > 0, skipped < tail &- head else { throw broken("a gap where none can be") }
    head &+= skipped
  }

  private mutating func broken(_ what: String) -> InterprocessError {
    isBroken = true
    return place.broken("RingConsumer", what)
  }

  @inline(never)
  private func tooLong(_ byteCount: Int, for free: Int) -> InterprocessError {
    InterprocessError(
      call: "RingConsumer", object: place.described, errno: .noBufferSpace,
      remedy: "the message has \(byteCount) bytes, and there is room for \(free)")
  }

  /// Where the next record begins.
  var nextRecord: UnsafeRawPointer { UnsafeRawPointer(place.records + place.offset(of: head)) }

  /// What the consumer has seen of the producer: when that changes, there are messages.
  var seen: UInt64 { tail }

  /// After a look in vain: whether something has changed.
  var hasNews: Bool { link.looks(from: seen, for: nextRecord) }
}
