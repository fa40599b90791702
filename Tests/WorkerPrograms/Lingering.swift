import Distributed
import Glibc
public import Workers

/// Whose calls do not end.
public distributed actor Lingering: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  /// Of what is to be under way when the parent dies. Encoding takes long in a debug build.
  #if DEBUG
    package static let largeSize = 64 << 20
  #else
    package static let largeSize = 512 << 20
  #endif

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func process() -> Int32 { getpid() }

  public distributed func count(_ text: String) -> Int { text.utf8.count }

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
    // Its result does not fit into anything, and nobody reads it. Bytes alone would not go by the channel.
    case "half-result": return [[UInt8](repeating: 1, count: Self.largeSize)]
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
