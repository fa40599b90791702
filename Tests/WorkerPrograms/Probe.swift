import Distributed
import Glibc
public import Workers

/// Tells what its process was given, and uses it up.
public distributed actor Probe: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  private var kept: [UInt8] = []

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func process() -> Int32 { getpid() }
  public distributed func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  public distributed func niceness() -> Int32 { getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }

  public distributed func openFilesLimit() -> UInt64 {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return UInt64(limit.rlim_cur)
  }

  /// Writes to standard output or error, and then dies if it is to.
  public distributed func say(_ text: String, on descriptor: Int32, thenDie: Bool) {
    let bytes = Array(text.utf8)
    _ = write(descriptor, bytes, bytes.count)
    if thenDie { kill(getpid(), SIGKILL) }
  }

  /// Keeps that much more memory, all of it touched.
  public distributed func grow(by count: Int) -> Int {
    kept += [UInt8](repeating: 1, count: count)
    return kept.count
  }

  /// Starts a program that goes on, tells its process id, and never ends.
  public distributed func startProgram() throws {
    var process: pid_t = 0
    let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("1000"), nil]
    defer { for argument in arguments { free(argument) } }
    guard posix_spawn(&process, "/bin/sleep", nil, nil, arguments, nil) == 0 else { return }
    try WorkerContext.report(process)
    while true { Glibc.sleep(1000) }
  }

  public distributed func count(_ bytes: [UInt8]) -> Int { bytes.count }

  public distributed func sleep(milliseconds: Int) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }
}
