import Distributed
import Glibc
import Synchronization
public import Workers

/// Whose calls do not end.
public distributed actor Lingering: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func process() -> Int32 { getpid() }

  public distributed func count(_ bytes: ManyBytes) -> Int { bytes.count }

  /// Reports when its result, which does not fit into anything, is about to be sent, and nobody reads it.
  public distributed func give(_ count: Int) throws -> ManyBytes {
    try WorkerContext.report(getpid())
    return ManyBytes(count)
  }

  /// Reports when it has begun.
  public distributed func linger(_ how: String) async throws -> [[UInt8]] {
    try WorkerContext.report(getpid())
    switch how {
    case "poll":
      while !Task.isCancelled {}
      return [[1]]
    case "spin": while getpid() > 0 {}
    case "stop": raise(SIGSTOP)
    case "sleep": try await Task.sleep(for: .seconds(1000))
    default:
      // In C, with every signal blocked.
      var all = sigset_t()
      sigfillset(&all)
      pthread_sigmask(SIG_SETMASK, &all, nil)
      while true { Glibc.sleep(1000) }
    }
    return []
  }
}

/// As many bytes as a message is to have, of which this has few. Bytes alone would not go by the channel.
public struct ManyBytes: Codable, Sendable {
  public let count: Int

  private static let piece = [UInt8](repeating: 1, count: 1 << 20)
  private static let encodings = Atomic(0)

  package init(_ count: Int) { self.count = count }

  /// How often one has been encoded in this process.
  package static var encodingCount: Int { encodings.load(ordering: .relaxed) }

  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    var count = 0
    while !container.isAtEnd { count += try container.decode([UInt8].self).count }
    self.count = count
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    for _ in 0..<(count / Self.piece.count) { try container.encode(Self.piece) }
    Self.encodings.wrappingAdd(1, ordering: .relaxed)
  }
}
