import CInterprocess
import Glibc
import SystemPackage

/// Channels over shared memory: a ring each way, in one piece of memory of whichever kind.
///
/// An end has, after the socket that all such ends have, for each ring its end of a pair of sockets, by which the ring's sides
/// ring for each other, and then the memory's descriptor, where it has one.
enum RingChannels {
  static func byteCount(_ mechanism: Mechanism, _ capacity: Int) throws(InterprocessError) -> Int {
    try Ring.byteCount(capacity: capacity) * (mechanism.isTwoWay ? 2 : 1)
  }
}

/// What the rings of a channel are like.
package struct RingForm: Sendable {
  /// The size of each in bytes, a power of two. It is allocated at once, but for segments of System V.
  let capacity: Int
  /// Whether the waiting side pays for the barrier that the publishing side saves, which is right where messages are many and
  /// waits are few. See ``RingBarrier``.
  let isAsymmetric: Bool

  /// - Parameter capacity: with the default a side that waits for the other sleeps rarely, and the other has much to do by
  ///   then; a quarter of it halves what goes through.
  package init(capacity: Int = 1 << 20, isAsymmetric: Bool = true) {
    self.capacity = capacity
    self.isAsymmetric = isAsymmetric
  }
}

extension ChannelPair {
  static func rings(_ mechanism: Mechanism, _ form: RingForm) throws(InterprocessError) -> ChannelPair {
    let size = try RingChannels.byteCount(mechanism, form.capacity)
    switch mechanism {
    case .systemVSharedMemory: return try systemVRings(size, form)
    case .posixSharedMemory:
      let memory = try POSIXSharedMemory(creating: .uniqueObjectName, byteCount: size)
      try POSIXSharedMemory.unlink(memory.name)
      return try rings(mechanism, form, in: memory.mapping, memory.descriptor)
    case .mappedFile:
      let directory = try TemporaryDirectory()
      let file = try MappedFile(creating: directory.path.appending("channel"), byteCount: size)
      return try rings(mechanism, form, in: file.mapping, file.descriptor)
    default:
      let memory = try AnonymousMemory(byteCount: size, label: "interprocess-channel")
      return try rings(mechanism, form, in: memory.mapping, memory.descriptor)
    }
  }

  private static func rings(
    _ mechanism: Mechanism, _ form: RingForm, in mapping: borrowing Mapping, _ descriptor: borrowing OwnedDescriptor
  ) throws(InterprocessError) -> ChannelPair {
    try makeRings(in: mapping, mechanism, form)
    return try shared(
      mechanism, pairs: bellCount(mechanism), ReceivedDescriptors(copying: [descriptor.rawValue]))
  }

  private static func bellCount(_ mechanism: Mechanism) -> Int { mechanism.isTwoWay ? 2 : 1 }

  private static func systemVRings(_ size: Int, _ form: RingForm) throws(InterprocessError) -> ChannelPair {
    let segment = try SystemVSharedMemory(byteCount: size)
    let id = segment.id
    // Marked, it goes with the last process that has it attached, and until then may still be attached by its id. At once: a
    // process killed before leaves it for ever.
    try SystemVSharedMemory.remove(id: id)
    try makeRings(in: segment.mapping, .systemVSharedMemory, form)
    var pair = try shared(
      .systemVSharedMemory, numbers: [id], pairs: bellCount(.systemVSharedMemory), ReceivedDescriptors(atMost: 0))
    try pair.keep(SystemVSharedMemory(id: id).takeMapping(), segment.takeMapping())
    return pair
  }

  private static func makeRings(
    in mapping: borrowing Mapping, _ mechanism: Mechanism, _ form: RingForm
  ) throws(InterprocessError) {
    for offset in mechanism.isTwoWay ? [0, mapping.byteCount / 2] : [0] {
      try Ring.create(in: mapping, at: offset, capacity: form.capacity, isAsymmetric: form.isAsymmetric)
    }
  }
}

extension Channel {
  convenience init(rings end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let (mechanism, isFirst) = (end.mechanism, end.isFirst)
    let peer = try end.takeLife()
    // The first ring is the one that the first end sends into.
    var there = Optional(try end.takeSocket())
    var back: OwnedDescriptor?
    if mechanism.isTwoWay { back = .some(try end.takeSocket()) }
    let mapping = try end.takeMemory()
    do {
      let second = mapping.byteCount / 2
      let (here, over) = isFirst ? (0, second) : (second, 0)
      let outgoing = try Self.outgoing(isFirst ? there.take() : back.take(), in: mapping, at: here, peer)
      let incoming = try Self.incoming(isFirst ? back.take() : there.take(), in: mapping, at: over, peer)
      try self.init(mechanism, options, outgoing: outgoing, incoming: incoming, peer: peer)
    } catch {
      throw ChannelError(error)
    }
  }

  private static func outgoing(
    _ bell: consuming OwnedDescriptor?, in mapping: borrowing Mapping, at offset: Int, _ peer: PeerLife
  ) throws(InterprocessError) -> RingOutgoingLine? {
    guard let bell = bell.take() else { return nil }
    return RingOutgoingLine(try RingProducer(attachingTo: mapping, at: offset, .socket(bell)), peer)
  }

  private static func incoming(
    _ bell: consuming OwnedDescriptor?, in mapping: borrowing Mapping, at offset: Int, _ peer: PeerLife
  ) throws(InterprocessError) -> RingIncomingLine? {
    guard let bell = bell.take() else { return nil }
    return RingIncomingLine(try RingConsumer(attachingTo: mapping, at: offset, .socket(bell)), peer)
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
