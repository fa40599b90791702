import Glibc
import Interprocess
import SystemPackage

/// The sending side of a channel's first ring, in the hands of somebody hostile.
final class RingAttack {
  private var producer: RingProducer?
  /// The memory, which the mapping keeps.
  private let file: MappedFile?
  private let segment: SystemVSharedMemory?
  private let memory: UnsafeMutableRawBufferPointer

  /// - Parameter id: of a System V segment.
  init(_ end: borrowing ChannelEndpoint, id: CInt) throws {
    let numbers = end.fileDescriptors.map(\.rawValue)
    let bell = EventCounter(adopting: OwnedDescriptor(adopting: fcntl(numbers[2], F_DUPFD_CLOEXEC, 0)))
    if end.mechanism == .systemVSharedMemory {
      let segment = try SystemVSharedMemory(id: id)
      producer = try RingProducer(attachingTo: segment.mapping, consumerBell: bell)
      memory = segment.mapping.withUnsafeBytes { $0 }
      self.segment = .some(segment)
      file = nil
    } else {
      let file = try MappedFile(opening: FilePath("/proc/self/fd/\(numbers[numbers.count - 1])"))
      producer = try RingProducer(attachingTo: file.mapping, consumerBell: bell)
      memory = file.mapping.withUnsafeBytes { $0 }
      self.file = .some(file)
      segment = nil
    }
  }

  /// Sends the bytes as a record, or writes over the memory.
  func write(_ bytes: [UInt8], _ random: inout Xorshift) {
    if random.next() % 10 > 0 {
      _ = try? producer?.trySend(bytes)
      return
    }
    // The producer's index, its request and its state; the first records.
    let places = [128, 384, 388, 1024, 1032, 1040, 1024 + Int(random.next() % 1000) * 8]
    let place = places[Int(random.next() % UInt64(places.count))]
    let word = random.next() >> (random.next() % 64)
    memory.storeBytes(of: UInt32(truncatingIfNeeded: word), toByteOffset: place, as: UInt32.self)
  }

  /// Goes: half of the time as one who has died, with the ring open.
  func leave(_ random: inout Xorshift) {
    producer = nil
    if random.next() % 2 == 0 { memory.storeBytes(of: 1, toByteOffset: 388, as: UInt32.self) }
  }
}

/// What looks like the head of a piece here and there, and some bytes.
func ringNonsense(_ length: UInt64, _ body: [UInt8], _ random: inout Xorshift) -> [UInt8] {
  let isRight = random.next() % 3 == 0
  let head = isRight ? 1 | UInt64(body.count) << 8 : random.next() % 6 | length << 8
  return withUnsafeBytes(of: head.littleEndian) { Array($0) } + body
}
