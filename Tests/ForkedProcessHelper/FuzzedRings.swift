import Glibc
import Interprocess

/// Rings in memory that is guarded, which begin or end with it. What is left of its pages nobody has to touch.
final class FuzzedRings: Sendable {
  let memory: GuardedMemory
  let capacity: Int
  let count: Int
  /// What all sides ring, and whoever scribbles too.
  let bell: EventCounter
  private let size: Int
  private let range: Range<Int>

  private static let untouched: UInt8 = 0xA5

  init(capacity: Int, count: Int, isAtEnd: Bool) throws {
    (self.capacity, self.count) = (capacity, count)
    size = try Ring.byteCount(capacity: capacity)
    let (all, page) = (size * count, Mapping.pageSize)
    let whole = (all + page - 1) / page * page
    range = isAtEnd ? whole - all..<whole : 0..<all
    // Not more than that: rings may grow into memory that is theirs too, if their headers say so.
    memory = try GuardedMemory(byteCount: range.upperBound)
    bell = try EventCounter()
    memory.pages.initializeMemory(as: UInt8.self, repeating: Self.untouched)
    try recreate()
  }

  /// Makes the rings anew, whoever writes into them meanwhile.
  func recreate() throws {
    for ring in stride(from: range.lowerBound, to: range.upperBound, by: size) {
      try Ring.create(in: memory.segment.mapping, at: ring, capacity: capacity)
    }
  }

  func producer(hasBell: Bool = false) throws -> RingProducer {
    try RingProducer(
      attachingTo: memory.segment.mapping, at: range.lowerBound, bell: hasBell ? bellCopy() : nil,
      consumerBell: hasBell ? bellCopy() : nil)
  }

  func consumer(hasBell: Bool = false) throws -> RingConsumer {
    try RingConsumer(
      attachingTo: memory.segment.mapping, at: range.lowerBound, bell: hasBell ? bellCopy() : nil,
      producerBell: hasBell ? bellCopy() : nil)
  }

  private func bellCopy() -> EventCounter {
    EventCounter(adopting: OwnedDescriptor(adopting: fcntl(bell.descriptor.rawValue, F_DUPFD_CLOEXEC, 0)))
  }

  /// One of the mailbox's producers comes, sends some messages, and goes.
  func sendToMailbox(from number: Int, _ random: inout SeededGenerator) throws {
    var producer = try RingMailbox.producer(number, of: memory.segment.mapping, capacity: capacity, ringing: bell)
    for _ in 0..<4 {
      _ = try producer.trySend(RingMessage(number: random.next(), atMost: producer.maximumMessageSize).bytes)
    }
  }

  /// Reads every byte of a message where it lies.
  func read(_ message: RawSpan) throws {
    guard message.byteCount <= Ring.maximumMessageSize(capacity: capacity) else {
      throw RingFailure(description: "a message of \(message.byteCount) bytes in a ring of \(capacity)")
    }
    var sum: UInt8 = 0
    for index in 0..<message.byteCount { sum &+= message.unsafeLoad(fromByteOffset: index, as: UInt8.self) }
    Self.sink = sum
  }

  /// So that the reading is not left out.
  nonisolated(unsafe) private static var sink: UInt8 = 0

  /// - Throws: when a byte has changed that lies beside the rings.
  func checkSurroundings() throws {
    let pages = memory.pages
    let place = pages.indices.first { !range.contains($0) && pages[$0] != Self.untouched }
    if let place { throw RingFailure(description: "byte \(place) was changed, and the rings lie at \(range)") }
  }

  /// Writes anything anywhere into the rings, and rings for nothing, for as long as its parent lives.
  func scribble(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let parent = getppid()
    while true {
      let ring = range.lowerBound + Int.random(in: 0..<count, using: &random) * size
      // Half of it hits the words of the header, the rest the records; now plausible, now wild.
      let words = (Bool.random(using: &random) ? 1024 : size) / 8
      let place = ring + Int.random(in: 0..<words, using: &random) * 8
      memory.pages.storeBytes(of: word(&random), toByteOffset: place, as: UInt64.self)
      switch UInt8.random(in: 0..<64, using: &random) {
      case 0...3:
        usleep(1)
        if getppid() != parent { return }
      case 4: _ = try? bell.tryAdd(Bool.random(using: &random) ? 1 : .max - 1)
      case 5: _ = try? bell.tryTake()
      default: break
      }
    }
  }

  private func word(_ random: inout SeededGenerator) -> UInt64 {
    let word = random.next() >> UInt64.random(in: 0..<64, using: &random)
    switch UInt8.random(in: 0..<8, using: &random) {
    case 0: return .max
    case 1...4: return word & ~7
    default: return word
    }
  }
}
