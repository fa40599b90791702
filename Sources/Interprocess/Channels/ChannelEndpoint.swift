import CInterprocess
import Glibc
import Synchronization
public import SystemPackage

/// One end of a channel that nobody has opened yet: what a process needs to open it, and may hand to another.
///
/// It consists of a description, some bytes, and of descriptors; both go to another process over any Unix socket, by
/// `sendmsg`. There they make the same end again.
public struct ChannelEndpoint: ~Copyable, Sendable {
  /// What its channel goes over.
  public let mechanism: Mechanism

  /// Whether this is the pair's first end: of a mailbox, the one that sends.
  public let isFirst: Bool

  /// The ids of System V objects.
  let numbers: [CInt]
  var descriptors: ReceivedDescriptors
  /// Keeps a segment that is marked for removal until this end is opened, here or elsewhere.
  var segment: Mapping?
  /// Set where this process has made the queues that ``numbers`` says: nobody else's word is good enough to remove them.
  var madeQueues: MadeQueues?
  /// The queues of POSIX that this process has made.
  var share: QueueShare?

  init(_ mechanism: Mechanism, isFirst: Bool, numbers: [CInt] = [], _ descriptors: consuming ReceivedDescriptors) {
    self.mechanism = mechanism
    self.isFirst = isFirst
    self.numbers = numbers
    self.descriptors = descriptors
  }

  deinit {
    // Queues of System V go with nobody. An end that was opened has no descriptors left; of a pair that nobody opened,
    // the end that goes last removes them.
    guard let madeQueues, let life = descriptors.fileDescriptors.first else { return }
    let isLast = madeQueues.drop()
    guard PeerLife.hasEnded(life) || (isLast && PeerLife.endsSoon(life)) else { return }
    for id in numbers { msgctl(id, IPC_RMID, nil) }
  }

  /// The descriptors to pass to the process that is to open this end. They are this end's still.
  public var fileDescriptors: [FileDescriptor] { descriptors.fileDescriptors }

  /// The queues of System V that would stay if everybody who knows of them were killed.
  package var queueIDs: [CInt] { mechanism == .systemVMessageQueue ? numbers : [] }

  /// What to tell the process that is to open this end.
  public var description: [UInt8] {
    var bytes = [Self.version, isFirst ? 1 : 0, UInt8(numbers.count)]
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes += $0 } }
    return bytes + mechanism.rawValue.utf8
  }

  /// Grows with what goes over the wire.
  private static let version: UInt8 = 3

  /// The end that another process described.
  ///
  /// - Throws: ``ChannelError/Code/malformedMessage`` when this is no end's description.
  public init(
    description: [UInt8], descriptors: consuming ReceivedDescriptors
  ) throws(ChannelError) {
    func number(_ index: Int) -> CInt {
      description.withUnsafeBytes { CInt(littleEndian: $0.loadUnaligned(fromByteOffset: 3 + 4 * index, as: CInt.self)) }
    }
    guard description.count >= 3, description[0] == Self.version, description[1] <= 1, description[2] <= 8,
      description.count >= 3 + 4 * Int(description[2]),
      let mechanism = Mechanism(
        rawValue: String(decoding: description[(3 + 4 * Int(description[2]))...], as: UTF8.self))
    else { throw ChannelError(.malformedMessage, "these \(description.count) bytes describe no end of a channel") }
    self.init(
      mechanism, isFirst: description[1] == 1, numbers: (0..<Int(description[2])).map(number), descriptors)
  }
}

/// Counts the ends of a pair that this process has dropped without opening them.
final class MadeQueues: Sendable {
  private let dropped = Atomic(0)

  /// - Returns: whether that were both.
  func drop() -> Bool { dropped.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == 2 }
}

extension ChannelEndpoint {
  /// The end that another process described, with the descriptors that came with it.
  package init(description: [UInt8], adopting numbers: [CInt]) throws(ChannelError) {
    try self.init(description: description, descriptors: ReceivedDescriptors(adopting: numbers))
  }
}

extension ChannelError {
  static var missingDescriptors: ChannelError {
    ChannelError(.malformedMessage, "the end of a channel came without its descriptors")
  }

  static var strangeDescriptors: ChannelError {
    ChannelError(.malformedMessage, "the end of a channel came with descriptors of another kind than its own")
  }
}
