import CInterprocess
import Glibc
import SystemPackage

/// Channels over shared memory: a ring each way, in one piece of memory of whichever kind.
///
/// An end has, after the socket that all such ends have, for each ring the bell of its producer and that of its consumer,
/// and then the memory's descriptor, where it has one.
enum RingChannels {
  /// The size of each ring in bytes: small enough to stay in a processor's cache.
  static let capacity = 256 << 10

  static func byteCount(_ mechanism: Mechanism) throws(InterprocessError) -> Int {
    try Ring.byteCount(capacity: capacity) * (mechanism.isTwoWay ? 2 : 1)
  }
}

extension ChannelPair {
  static func rings(_ mechanism: Mechanism) throws(InterprocessError) -> ChannelPair {
    let size = try RingChannels.byteCount(mechanism)
    switch mechanism {
    case .systemVSharedMemory: return try systemVRings(size)
    case .posixSharedMemory:
      let memory = try POSIXSharedMemory(creating: .uniqueObjectName, byteCount: size)
      try POSIXSharedMemory.unlink(memory.name)
      return try rings(mechanism, in: memory.mapping, memory.descriptor)
    case .mappedFile:
      let directory = try TemporaryDirectory()
      let file = try MappedFile(creating: directory.path.appending("channel"), byteCount: size)
      return try rings(mechanism, in: file.mapping, file.descriptor)
    default:
      let memory = try AnonymousMemory(byteCount: size, label: "interprocess-channel")
      return try rings(mechanism, in: memory.mapping, memory.descriptor)
    }
  }

  private static func rings(
    _ mechanism: Mechanism, in mapping: borrowing Mapping, _ descriptor: borrowing OwnedDescriptor
  ) throws(InterprocessError) -> ChannelPair {
    try makeRings(in: mapping, mechanism)
    var objects = try bells(mechanism)
    try objects.adoptCopy(of: descriptor.rawValue)
    return try shared(mechanism, objects)
  }

  private static func bells(_ mechanism: Mechanism) throws(InterprocessError) -> ReceivedDescriptors {
    var bells = ReceivedDescriptors(atMost: .max)
    for _ in 0..<(mechanism.isTwoWay ? 4 : 2) {
      let bell = try EventCounter()
      try bells.adoptCopy(of: bell.descriptor.rawValue)
    }
    return bells
  }

  private static func systemVRings(_ size: Int) throws(InterprocessError) -> ChannelPair {
    let segment = try SystemVSharedMemory(byteCount: size)
    let id = segment.id
    // Marked, it goes with the last process that has it attached, and until then may still be attached by its id. At once: a
    // process killed before leaves it for ever.
    try SystemVSharedMemory.remove(id: id)
    try makeRings(in: segment.mapping, .systemVSharedMemory)
    var pair = try shared(.systemVSharedMemory, numbers: [id], bells(.systemVSharedMemory))
    try pair.keep(SystemVSharedMemory(id: id).takeMapping(), segment.takeMapping())
    return pair
  }

  private static func makeRings(in mapping: borrowing Mapping, _ mechanism: Mechanism) throws(InterprocessError) {
    let capacity = RingChannels.capacity
    try Ring.create(in: mapping, capacity: capacity)
    if mechanism.isTwoWay { try Ring.create(in: mapping, at: Ring.byteCount(capacity: capacity), capacity: capacity) }
  }
}

extension Channel {
  convenience init(rings end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let (mechanism, isFirst) = (end.mechanism, end.isFirst)
    let peer = try end.takeLife()
    // The first ring is the one that the first end sends into.
    let there = try RingBells(&end)
    let back = mechanism.isTwoWay ? try RingBells(&end) : nil
    let mapping = try end.takeMemory()
    do {
      let second = try Ring.byteCount(capacity: RingChannels.capacity)
      let outgoing = try (isFirst ? there : back)?.outgoing(in: mapping, at: isFirst ? 0 : second, peer)
      let incoming = try (isFirst ? back : there)?.incoming(in: mapping, at: isFirst ? second : 0, peer)
      try self.init(mechanism, options, outgoing: outgoing, incoming: incoming, peer: peer)
    } catch {
      throw ChannelError(error)
    }
  }
}

/// The bells of one ring.
private final class RingBells: Sendable {
  private let producer: OwnedDescriptor
  private let consumer: OwnedDescriptor

  init(_ end: inout ChannelEndpoint) throws(ChannelError) {
    guard let producer = end.descriptors.takeFirst(), let consumer = end.descriptors.takeFirst() else {
      throw .missingDescriptors
    }
    self.producer = producer
    self.consumer = consumer
  }

  func outgoing(
    in mapping: borrowing Mapping, at offset: Int, _ peer: PeerLife
  ) throws(InterprocessError) -> RingOutgoingLine {
    RingOutgoingLine(
      try RingProducer(
        attachingTo: mapping, at: offset, bell: EventCounter(adopting: producer.copy()),
        consumerBell: EventCounter(adopting: consumer.copy())), peer)
  }

  func incoming(
    in mapping: borrowing Mapping, at offset: Int, _ peer: PeerLife
  ) throws(InterprocessError) -> RingIncomingLine {
    RingIncomingLine(
      try RingConsumer(
        attachingTo: mapping, at: offset, bell: EventCounter(adopting: consumer.copy()),
        producerBell: EventCounter(adopting: producer.copy())), peer)
  }
}

extension ChannelEndpoint {
  /// The memory that this end's rings lie in.
  fileprivate mutating func takeMemory() throws(ChannelError) -> Mapping {
    do {
      if mechanism == .systemVSharedMemory {
        if let segment = segment.take() { return segment }
        guard let id = numbers.first else { throw ChannelError.missingDescriptors }
        return try SystemVSharedMemory(id: id).takeMapping()
      }
      guard let descriptor = descriptors.takeFirst() else { throw ChannelError.missingDescriptors }
      switch mechanism {
      case .anonymousMemory, .ring: return try AnonymousMemory(adopting: descriptor).takeMapping()
      default:
        let size = try descriptor.size("descriptor \(descriptor.rawValue)")
        return try Mapping(of: descriptor, byteCount: size, readOnly: false, "descriptor \(descriptor.rawValue)")
      }
    } catch let error as ChannelError {
      throw error
    } catch let error as InterprocessError {
      throw ChannelError(error)
    } catch {
      throw .missingDescriptors
    }
  }
}
