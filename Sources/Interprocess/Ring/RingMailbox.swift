import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Receives from many producers: each has a ring of its own, so that none waits for another and the death of one harms
/// nobody, and all ring one bell.
///
/// ```swift
/// let memory = try Ring.create(capacity: 1 << 16, count: 4)
/// let bell = try EventCounter()
/// // in the first worker, after the fork; it inherits memory and bell, or gets their descriptors passed:
/// var producer = try RingMailbox.producer(0, of: memory.mapping, capacity: 1 << 16, ringing: bell)
/// // in the one that receives:
/// var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 1 << 16, count: 4, bell: bell)
/// while let (producer, message) = try mailbox.receive() { print(producer, message) }
/// ```
///
/// Messages of one producer come in the order they were sent; between producers it takes turns.
public struct RingMailbox: ~Copyable, Sendable {
  /// A noncopyable value in an array needs a box.
  private final class Box: @unchecked Sendable {
    // Sendable: it is only reached through the mailbox, which has one owner.
    var consumer: RingConsumer
    var hasEnded = false
    init(_ consumer: consuming RingConsumer) { self.consumer = consumer }
  }

  private let boxes: [Box]
  private let bell: EventCounter
  /// The producer that is looked at first: the one after the last that was received from.
  private var turn = 0

  /// Becomes the consumer of rings that lie one after the other, as `Ring.create(capacity:count:label:)` makes them.
  ///
  /// - Parameter bell: the counter that all producers ring; it is duplicated.
  /// - Throws: what ``RingConsumer/init(attachingTo:at:bell:producerBell:)`` throws; `Errno.tooManyOpenFiles`.
  public init(
    attachingTo mapping: borrowing Mapping, capacity: Int, count: Int, bell: borrowing EventCounter
  ) throws(InterprocessError) {
    let size = try Ring.byteCount(capacity: capacity)
    guard count > 0 else { throw .refused("RingMailbox", nil, "\(count) producers; give at least 1") }
    // First: a ring whose consumer goes is closed for good.
    let own = try bell.duplicated()
    var boxes: [Box] = []
    for ring in 0..<count { boxes.append(Box(try RingConsumer(attachingTo: mapping, at: ring * size))) }
    self.boxes = boxes
    self.bell = own
  }

  /// Becomes the producer that a mailbox knows by its number.
  ///
  /// It has no bell of its own: it waits for room by spinning and asleep, not in a task.
  ///
  /// - Throws: what ``RingProducer/init(attachingTo:at:bell:consumerBell:)`` throws; `Errno.tooManyOpenFiles`.
  public static func producer(
    _ number: Int, of mapping: borrowing Mapping, capacity: Int, ringing bell: borrowing EventCounter
  ) throws(InterprocessError) -> RingProducer {
    let size = try Ring.byteCount(capacity: capacity)
    let (offset, overflow) = size.multipliedReportingOverflow(by: number)
    guard !overflow else { throw .refused("RingMailbox", nil, "there is no producer \(number)") }
    return try RingProducer(attachingTo: mapping, at: offset, consumerBell: bell.duplicated())
  }

  /// How many producers there are, those that have closed included.
  public var count: Int { boxes.count }

  /// Wakes the mailbox from any thread when a producer's process has died: its messages still come, and then
  /// `receive(timeout:)` throws, once, and goes on with the others when it is called again.
  ///
  /// - Returns: `nil` when there is no such producer, or this process may have no more descriptors.
  public func interrupter(ofProducer number: Int) -> MailboxInterrupter? {
    guard boxes.indices.contains(number), let bell = try? bell.duplicated() else { return nil }
    return MailboxInterrupter(boxes[number].consumer.interrupter, bell)
  }

  /// Receives a message if one is there.
  ///
  /// - Returns: its producer's number and its bytes; `nil` when there is none now.
  /// - Throws: what ``RingConsumer/tryNextByteCount()`` throws, once a producer; the error names its offset.
  public mutating func tryReceive() throws(InterprocessError) -> (producer: Int, message: [UInt8])? {
    for step in boxes.indices {
      let number = (turn + step) % boxes.count
      let box = boxes[number]
      if box.hasEnded { continue }
      do {
        if let message = try box.consumer.tryReceive() {
          turn = number + 1
          return (number, message)
        }
        box.hasEnded = box.consumer.hasEnded
      } catch {
        box.hasEnded = true
        // Nobody receives from it any more, and its producer is told.
        box.consumer.close()
        throw error
      }
    }
    return nil
  }

  /// Whether every producer has closed, died, or broken its ring, and every message has been received.
  public var hasEnded: Bool { boxes.allSatisfy(\.hasEnded) }

  /// Receives a message, waiting for it.
  ///
  /// The corresponding C function is `poll`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Returns: its producer's number and its bytes; `nil` when every producer has closed.
  /// - Throws: `Errno.timedOut`; what ``tryReceive()`` throws.
  public mutating func receive(
    timeout: Duration? = nil
  ) throws(InterprocessError) -> (producer: Int, message: [UInt8])? {
    let deadline = Deadline(timeout)
    while true {
      if let received = try tryReceive() { return received }
      if hasEnded { return nil }
      try checkTime(deadline)
      let request = arm()
      if request == .changed { continue }
      defer { disarm() }
      let counter = bell.descriptor.fileDescriptor
      try waitForBell(request, by: deadline) { (end) throws(InterprocessError) in
        try waitUntilReady(counter, .readable, by: end, for: "RingMailbox.receive")
      }
      _ = bell.descriptor.takeFromCounter()
    }
  }

  /// Receives a message; the task is suspended until it comes. See `receive(timeout:)`.
  ///
  /// - Throws: `InterprocessError` as the blocking form does; `CancellationError`, and then nothing was received.
  public nonisolated(nonsending) mutating func receive(
    timeout: Duration? = nil
  ) async throws -> (producer: Int, message: [UInt8])? {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let received = try tryReceive() { return received }
      if hasEnded { return nil }
      try checkTime(deadline)
      try Task.checkCancellation()
      let request = arm()
      if request == .changed { continue }
      defer { disarm() }
      let counter = bell.descriptor.fileDescriptor
      try await waitForBell(request, by: deadline) {
        try await becomeReady(counter, .readable, by: $0, for: "RingMailbox.receive")
      }
      _ = bell.descriptor.takeFromCounter()
    }
  }

  /// After each look in vain: a hostile producer can ring for nothing, as often as it wants.
  private func checkTime(_ deadline: Deadline) throws(InterprocessError) {
    if deadline.hasPassed { throw InterprocessError(call: "RingMailbox.receive", errno: .timedOut) }
  }

  /// Asks every producer for the bell, with one barrier for all, and looks once more.
  private func arm() -> BellRequest {
    var isAsymmetric = false
    for box in boxes where !box.hasEnded {
      box.consumer.link.request(RingSide.armed)
      isAsymmetric = isAsymmetric || box.consumer.link.place.isAsymmetric
    }
    let isCertain = RingBarrier.heavy(isAsymmetric: isAsymmetric)
    let isQuiet = boxes.allSatisfy { $0.hasEnded || !$0.consumer.link.hasChanged(from: $0.consumer.seen) }
    if isQuiet { return isCertain ? .certain : .uncertain }
    disarm()
    return .changed
  }

  private func disarm() {
    for box in boxes where !box.hasEnded { box.consumer.link.request(0) }
  }
}

/// Tells a ``RingMailbox`` from any thread that a producer's process has died.
public final class MailboxInterrupter: Sendable {
  private let interrupter: RingInterrupter
  private let bell: EventCounter

  init(_ interrupter: RingInterrupter, _ bell: consuming EventCounter) {
    self.interrupter = interrupter
    self.bell = bell
  }

  /// The producer's process has ended. See ``RingInterrupter/peerDied()``.
  public func peerDied() {
    interrupter.peerDied()
    bell.ring()
  }
}

extension EventCounter {
  /// The same counter, by a descriptor of its own.
  func duplicated() throws(InterprocessError) -> EventCounter {
    let number = descriptor.rawValue
    return EventCounter(
      adopting: OwnedDescriptor(
        adopting: try systemCall("fcntl", "eventfd \(number)") { fcntl(number, F_DUPFD_CLOEXEC, 0) }))
  }
}
