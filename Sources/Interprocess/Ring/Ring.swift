import CInterprocess
import Synchronization
import SystemPackage

/// The fast road between two processes: messages through shared memory, from one producer to one consumer, without a
/// system call while both are awake.
///
/// ```swift
/// let memory = try Ring.create(capacity: 1 << 20)             // then fork, or pass memory.descriptor
/// var producer = try RingProducer(attachingTo: memory.mapping)    // in one process
/// try producer.send(Array("hello".utf8))
/// var consumer = try RingConsumer(attachingTo: memory.mapping)    // in the other
/// while let message = try consumer.receive() { print(message) }
/// ```
///
/// A side belongs to one process, and attaches there: after the fork. It waits by spinning for as long as that has paid
/// off lately, and then asleep; a side for which an event loop or a task waits has a bell, an ``EventCounter``, which the
/// other side rings only when it has been armed.
///
/// A side that dies at any instruction leaves the ring readable up to the last message that was sent. That it has died
/// is for the ``RingInterrupter`` to say: memory does not tell. Until it is said, a side that waits without a timeout may
/// sleep on beside a message whose producer died between showing it and waking the side.
///
/// What the other side writes is copied, then checked: it can spoil its own messages, and send the ring's other end an
/// error (`Errno.badMessage`), but not make it read or write elsewhere, loop or trap. The memory itself can be any
/// ``Mapping``. Where it is not sealed against shrinking (a file, POSIX or System V shared memory), another process that
/// may open it can cut it off, and whoever touches it then gets SIGBUS.
///
/// The bytes: a header of 1024 bytes, whose first 8 are `SwRing01`, with each side's words 128 bytes apart, and then
/// `capacity` bytes of records, a length of 8 bytes and the message, filled up to a multiple of 8.
public enum Ring {
  /// The largest message that fits into a ring of `capacity` bytes, in bytes.
  public static func maximumMessageSize(capacity: Int) -> Int { capacity / 2 - RingPlace.lengthByteCount }

  /// How much memory a ring of `capacity` bytes takes, in bytes: rings that share memory lie so far apart.
  ///
  /// - Throws: `Errno.invalidArgument` when `capacity` is no power of two from 128 on.
  public static func byteCount(capacity: Int) throws(InterprocessError) -> Int {
    guard RingPlace.isCapacity(capacity) else {
      throw .refused("Ring", nil, "capacity \(capacity): give a power of two from \(RingPlace.leastCapacity) on")
    }
    return RingPlace.headerByteCount + capacity
  }

  /// Creates sealed memory with empty rings in it, one after the other: one, or two for both ways, or one a producer.
  ///
  /// - Parameters:
  ///   - capacity: the size of each in bytes, a power of two from 128 on. A message takes at most half of it.
  ///   - count: how many; ring `i` lies at `i * byteCount(capacity:)`.
  ///   - label: what `/proc/PID/maps` shows for it.
  /// - Throws: `Errno.invalidArgument`; what ``AnonymousMemory/init(byteCount:label:seals:hugePages:)`` throws.
  public static func create(
    capacity: Int, count: Int = 1, label: String = "interprocess-ring"
  ) throws(InterprocessError) -> AnonymousMemory {
    try create(capacity: capacity, count: count, label: label, isAsymmetric: true)
  }

  /// - Parameter isAsymmetric: whether the side that waits does what is needed for both; else each message costs a barrier, and
  ///   a wait nothing. See ``RingBarrier``.
  package static func create(
    capacity: Int, count: Int = 1, label: String = "interprocess-ring", isAsymmetric: Bool
  ) throws(InterprocessError) -> AnonymousMemory {
    let size = try byteCount(capacity: capacity)
    let (total, overflow) = size.multipliedReportingOverflow(by: count)
    guard count > 0, !overflow else { throw .refused("Ring", nil, "\(count) rings of \(size) bytes") }
    let memory = try AnonymousMemory(byteCount: total, label: label)
    for ring in 0..<count {
      try create(in: memory.mapping, at: ring * size, capacity: capacity, isAsymmetric: isAsymmetric)
    }
    return memory
  }

  /// Makes an empty ring in memory that nobody uses yet, overwriting what is there.
  ///
  /// - Parameter offset: where it begins, a multiple of 128.
  /// - Throws: `Errno.invalidArgument` when it does not fit there, or the memory is read-only.
  public static func create(
    in mapping: borrowing Mapping, at offset: Int = 0, capacity: Int
  ) throws(InterprocessError) {
    try create(in: mapping, at: offset, capacity: capacity, isAsymmetric: true)
  }

  static func create(
    in mapping: borrowing Mapping, at offset: Int, capacity: Int, isAsymmetric: Bool
  ) throws(InterprocessError) {
    let size = try byteCount(capacity: capacity)
    let base = try RingPlace.base(in: mapping, at: offset, byteCount: size)
    RingPlace.initialize(base, capacity: capacity, isAsymmetric: isAsymmetric)
  }
}
