import Distributed
import Glibc
import Workers

/// Its workers never come to a call.
distributed actor Unready: WorkerActor {
  typealias ActorSystem = WorkerSystem

  enum Start: String {
    case exits, ignoresTermination
  }

  static let startVariable = "UNREADY_START"

  init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  static func workerDidStart() {
    switch getenv(startVariable).flatMap({ Start(rawValue: String(cString: $0)) }) {
    case .exits: exit(3)
    case .ignoresTermination:
      signal(SIGTERM, SIG_IGN)
      while true { usleep(1000) }
    case nil: break
    }
  }

  distributed func process() -> Int32 { getpid() }
}
