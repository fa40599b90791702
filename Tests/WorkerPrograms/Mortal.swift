import Distributed
import Glibc
public import Workers

/// When it happens.
public enum Stage: String, Codable, CaseIterable, Sendable {
  case decoding, running, encoding, halfWay, idle, starting, shuttingDown
  /// Half-way through an argument, as ``halfWay`` is through a result.
  case halfArgument
}

/// Goes off in the worker when it is decoded, or encoded.
public struct Fuse: Codable, Sendable {
  public let stage: Stage
  public let way: Way

  private enum CodingKeys: CodingKey { case stage, way }

  package init(_ stage: Stage, _ way: Way) { (self.stage, self.way) = (stage, way) }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    stage = try container.decode(Stage.self, forKey: .stage)
    way = try container.decode(Way.self, forKey: .way)
    if stage == .decoding, WorkerContext.current != nil { try way.happen() }
  }

  public func encode(to encoder: any Encoder) throws {
    if stage == .encoding, WorkerContext.current != nil { try way.happen() }
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(stage, forKey: .stage)
    try container.encode(way, forKey: .way)
  }
}

/// Dies at every stage of a worker's life, in every way.
public distributed actor Mortal: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  /// What happens at the start of each worker.
  package static let startVariable = "MORTAL_START"
  /// More than any mechanism holds, so that whoever sends it has to wait for its reader.
  package static let halfWaySize = 16 << 20

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public static func workerDidStart() throws {
    // A place on the board, so that it is known who there was.
    _ = MarkBoard.slot
    if let way = getenv(startVariable).flatMap({ Way(rawValue: String(cString: $0)) }) { try way.happen() }
  }

  public distributed func process() -> Int32 { getpid() }

  /// Goes off while its argument is decoded, while it runs, or while its result is encoded.
  public distributed func take(_ fuse: Fuse) throws -> Fuse {
    if fuse.stage == .running { try fuse.way.happen() }
    return fuse
  }

  /// Goes off while its result is sent, if the pool's side reads nothing from the report on.
  public distributed func half(_ way: Way) throws -> [[UInt8]] {
    try WorkerContext.report(getpid())
    way.happen(afterMilliseconds: 100)
    // Bytes alone would not go by the channel.
    return [[UInt8](repeating: 7, count: Self.halfWaySize)]
  }

  /// Goes off when a part of the next call has come.
  public distributed func turnDeaf(_ way: Way) -> Int32 {
    Deafness.plan(way)
    return getpid()
  }

  public distributed func take(bytes: [[UInt8]]) -> Int32 { getpid() }

  /// Goes off when no call runs any more.
  public distributed func later(_ way: Way) -> Int32 {
    way.happen(afterMilliseconds: 200)
    return getpid()
  }

  public distributed func atExit(_ way: Way) -> Int32 {
    way.happenAtExit()
    return getpid()
  }
}
