import Distributed
import Glibc
public import Workers

/// What becomes of a call of a campaign, the first time that it is made.
public enum Fate: UInt8, Codable, CaseIterable, Sendable {
  case segmentationFault, abort, kill, exit

  func happen() {
    switch self {
    case .segmentationFault: raise(SIGSEGV)
    case .abort: Glibc.abort()
    case .kill: Glibc.kill(getpid(), SIGKILL)
    case .exit: _exit(0)
    }
  }
}

/// Whom a campaign of kills is waged against.
public distributed actor Victim: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  /// A place on the board from the start, so that idle workers are known too.
  public static func workerDidStart() { _ = MarkBoard.slot }

  /// Marks its beginning and its end, and in between works, or meets its fate.
  public distributed func work(_ call: Int, microseconds: Int, fate: Fate?) -> Int {
    guard let board = MarkBoard.ofWorker else { return -1 }
    let attempt = board.begin(call, slot: MarkBoard.slot)
    // The longer ones wait, so that most workers are in a call at any time.
    if microseconds < 100 { Self.spin(microseconds) } else { usleep(UInt32(microseconds)) }
    if attempt == 1, let fate {
      board.noteDeath(slot: MarkBoard.slot)
      fate.happen()
    }
    board.end(call, slot: MarkBoard.slot)
    return Self.answer(to: call)
  }

  package static func answer(to call: Int) -> Int { call &* 2_654_435_761 ^ 0x5bd1 }

  private static func spin(_ microseconds: Int) {
    let end = ContinuousClock.now + .microseconds(microseconds)
    while ContinuousClock.now < end {}
  }
}
