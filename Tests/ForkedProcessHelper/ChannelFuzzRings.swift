import Glibc
import Interprocess
import SystemPackage

/// One end's sides of a channel's rings, in the hands of somebody hostile.
final class RingAttack {
  private let mapping: Mapping
  private var producer: RingProducer?
  private var consumer: RingConsumer?
  /// Where the rings lie that this end sends and receives by; a mailbox has one.
  private let sending: Int?
  private let receiving: Int?

  /// - Parameters:
  ///   - numbers: the end's descriptors: first what it lives by, then a bell for each ring, then the memory.
  ///   - ids: of a System V segment.
  init(_ mechanism: Mechanism, isFirst: Bool, _ numbers: [CInt], _ ids: [CInt]) throws {
    if mechanism == .systemVSharedMemory {
      mapping = try SystemVSharedMemory(id: ids[0]).takeMapping()
    } else {
      mapping = try MappedFile(opening: FilePath("/proc/self/fd/\(numbers[mechanism.isTwoWay ? 3 : 2])")).takeMapping()
    }
    // The first end sends by the first ring.
    let second = mechanism.isTwoWay ? mapping.byteCount / 2 : nil
    (sending, receiving) = isFirst ? (0, second) : (second, 0)
    if let sending {
      producer = try RingProducer(
        attachingTo: mapping, at: sending, consumerBell: Self.bell(numbers[sending == 0 ? 1 : 2]))
    }
    if let receiving {
      consumer = try RingConsumer(
        attachingTo: mapping, at: receiving, producerBell: Self.bell(numbers[receiving == 0 ? 1 : 2]))
    }
  }

  /// What goes into a bell's socket rings at its other end, whatever it is.
  private static func bell(_ socket: CInt) -> EventCounter {
    _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
    return EventCounter(adopting: OwnedDescriptor(adopting: fcntl(socket, F_DUPFD_CLOEXEC, 0)))
  }

  /// Sends the bytes as a record, or writes over the memory.
  func write(_ bytes: [UInt8], _ random: inout SeededGenerator) {
    if Int.random(in: 0..<10, using: &random) == 0 { return scribble(&random) }
    _ = try? producer?.trySend(bytes)
  }

  func take() { _ = try? consumer?.tryReceive() }

  func scribble(_ random: inout SeededGenerator) {
    // Each side's index, its request and its state; the first records.
    let places = [128, 256, 384, 388, 512, 516, 1024, 1032, 1040, 1024 + Int.random(in: 0..<1000, using: &random) * 8]
    let ring = [sending, receiving].compactMap { $0 }.randomElement(using: &random) ?? 0
    let word = random.next() >> UInt64.random(in: 0..<64, using: &random)
    store(word, at: ring + (places.randomElement(using: &random) ?? 0))
  }

  private func store(_ word: UInt64, at place: Int) {
    mapping.withUnsafeBytes {
      $0.storeBytes(of: UInt32(truncatingIfNeeded: word), toByteOffset: place, as: UInt32.self)
    }
  }

  /// Goes: half of the time as one who has died, with its rings open.
  func leave(_ random: inout SeededGenerator) {
    producer = nil
    consumer = nil
    guard Bool.random(using: &random) else { return }
    if let sending { store(1, at: sending + 388) }
    if let receiving { store(1, at: receiving + 516) }
  }
}
