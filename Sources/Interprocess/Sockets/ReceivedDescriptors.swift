import CInterprocess
import Glibc
import SystemPackage

/// Descriptors that came with messages, each owned here until it is taken; those that nobody took are closed with it.
///
/// ```swift
/// var received = ReceivedDescriptors(atMost: 1)
/// let request = try socket.read(upTo: 100, receiving: &received)
/// guard let file = received.takeFirst() else { return }
/// ```
public struct ReceivedDescriptors: ~Copyable, Sendable {
  /// How many descriptors one message may carry: 253, the kernel's `SCM_MAX_FD`.
  public static var mostPerMessage: Int { Int(ci_most_descriptors) }

  /// How many it keeps. What comes beyond is closed at once.
  public let limit: Int

  /// How many came beyond the limit, and were closed.
  public private(set) var surplus = 0

  /// Not where nobody asked for any: the kernel closes what comes, and is quicker.
  private(set) var areWanted = true

  private var descriptors: [CInt] = []

  /// - Parameter limit: how many descriptors the program is ready to own; it is the sender who decides how many come.
  public init(atMost limit: Int = Self.mostPerMessage) {
    self.limit = max(0, limit)
  }

  /// For what comes where nobody asked for descriptors.
  static var unwanted: ReceivedDescriptors {
    var none = ReceivedDescriptors(atMost: 0)
    none.areWanted = false
    return none
  }

  deinit {
    for descriptor in descriptors { close(descriptor) }
  }

  /// How many are here to be taken.
  public var count: Int { descriptors.count }

  public var isEmpty: Bool { descriptors.isEmpty }

  /// Those that are here, still owned here.
  var fileDescriptors: [FileDescriptor] { descriptors.map(FileDescriptor.init(rawValue:)) }

  /// Takes the descriptor that came first, which the caller owns from now on; `nil` when there is none.
  public mutating func takeFirst() -> OwnedDescriptor? {
    descriptors.isEmpty ? nil : OwnedDescriptor(adopting: descriptors.removeFirst())
  }

  mutating func adopt(_ arrived: some Collection<CInt>) {
    let kept = arrived.prefix(max(0, limit - descriptors.count))
    descriptors += kept
    for descriptor in arrived.dropFirst(kept.count) {
      close(descriptor)
      surplus += 1
    }
  }
}

extension ReceivedDescriptors {
  /// Descriptors that were made here, to keep them together.
  init(adopting numbers: [CInt]) {
    self.init(atMost: Int.max)
    adopt(numbers)
  }

  /// Duplicates of descriptors that stay their owners'.
  init(copying numbers: [CInt]) throws(InterprocessError) {
    self.init(atMost: Int.max)
    for number in numbers { try adoptCopy(of: number) }
  }

  /// Takes over the descriptor that came first there.
  mutating func moveFirst(from other: inout ReceivedDescriptors) {
    if let descriptor = other.takeFirst() { adopt(CollectionOfOne(descriptor.release().rawValue)) }
  }

  mutating func adoptCopy(of number: CInt) throws(InterprocessError) {
    adopt(CollectionOfOne(try OwnedDescriptor(copying: number).release().rawValue))
  }
}
