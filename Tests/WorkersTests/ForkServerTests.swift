import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms
import Workers

/// The process that runs the tests is the parent here.
@Suite("ForkServer", .blocking)
struct ForkServerTests {
  @Test(
    "a worker's ending is told exactly",
    arguments: [
      ("end", "exited with code 0"), ("exit-0", "exited with code 0"), ("exit-3", "exited with code 3"),
      ("kill", "was killed by signal 9 (SIGKILL)"), ("term", "was killed by signal 15 (SIGTERM)"),
    ])
  func ending(acts: String, expected: String) throws {
    let server = try ForkServer.start()
    #expect(try Observed(server, acts).end() == expected)
  }

  @Test("a crash is told by its signal", arguments: [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("trap", "SIG")])
  func crash(acts: String, signal: String) throws {
    let server = try ForkServer.start()
    let ending = try Observed(server, acts, .quiet).end()
    #expect(ending.hasPrefix("was killed by signal") && ending.contains(signal))
  }

  @Test("started comes first and ended last")
  func order() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "end")
    _ = try worker.end()
    guard case .started(let id)? = worker.events.first else { throw Unexpected("\(worker.events)") }
    #expect(id == worker.process.processID)
    #expect(worker.events.count == 2)
  }

  @Test("what a worker used is told with its ending")
  func usage() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "burn")
    _ = try worker.end()
    guard case .reaped(_, let usage)? = worker.ending else { throw Unexpected("\(worker.events)") }
    #expect(usage.userTime + usage.systemTime > .milliseconds(40))
    #expect(usage.maximumResidentBytes > 64 << 20)
  }

  @Test("stopping and continuing are told, and a stopped worker can be killed")
  func stops() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "ready stop ready nap")
    let first = try worker.line()
    try within10Seconds("a stop") { worker.events.contains { if case .stopped(SIGSTOP) = $0 { true } else { false } } }
    try worker.process.signal(SIGCONT)
    #expect(try worker.line() == first)
    try within10Seconds("a continue") { worker.events.contains { if case .continued = $0 { true } else { false } } }
    try worker.process.signal(SIGSTOP)
    worker.process.kill()
    #expect(try worker.end() == "was killed by signal 9 (SIGKILL)")
  }

  @Test("a signal sent before the worker has started reaches it when it has")
  func earlySignal() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "nap")
    worker.process.kill()
    #expect(try worker.end() == "was killed by signal 9 (SIGKILL)")
    try worker.process.signal(SIGKILL)
  }

  @Test("all of Swift's concurrency works in a worker, the main actor too")
  func concurrency() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "concurrency")
    #expect(try worker.line() == "sum 45 main 1")
    #expect(try worker.end() == "exited with code 0")
  }

  @Test("a worker has the signals of a new program, a group of its own, and no descriptors but its own")
  func inheritsNothing() throws {
    let leaked = open("/dev/null", O_RDONLY)
    defer { close(leaked) }
    let server = try ForkServer.start()
    let worker = try Observed(server, "signals group open-files end")
    #expect(try worker.line() == "signals SigBlk: 0, SigIgn: 0, SigCgt: 0")
    #expect(try worker.line() == "group true")
    // Beside the standard three: the parent's pidfd, what watches it, and the one descriptor that it was given.
    let open = try worker.line()
    #expect(open.hasPrefix("open [0, 1, 2, ") && open.split(separator: ",").count == 6, "\(open)")
  }

  @Test("what a program watches is told while its main thread spins, for as long as it wants")
  func watching() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "watch spin")
    #expect(try worker.line() == "watched 1")
    #expect(try worker.line() == "watched 2")
    worker.process.kill()
    #expect(try worker.line() == "")
  }

  @Test("a setup longer than a packet arrives whole")
  func longSetup() throws {
    let server = try ForkServer.start()
    let acts = "setup-size end " + String(repeating: "x", count: 3_000_000)
    #expect(try Observed(server, acts).line() == "size \(acts.utf8.count)")
  }

  @Test("variables are set and removed")
  func environment() throws {
    let server = try ForkServer.start()
    var configuration = WorkerProcessConfiguration()
    configuration.environment = ["WORKERS_TEST": "a value", "PATH": nil]
    let worker = try Observed(server, "variable WORKERS_TEST variable PATH end", configuration)
    #expect(try worker.line() == "variable a value")
    #expect(try worker.line() == "variable none")
  }

  @Test("neither a worker's variables nor its programs' show the marker, and the backtracer's setting is the user's")
  func marker() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "variable INTERPROCESS_WORKER environment-of-child backtrace-of-child end")
    #expect(try worker.line() == "variable none")
    #expect(try worker.line() == "no marker")
    let own = getenv("SWIFT_BACKTRACE").map { "SWIFT_BACKTRACE=\(String(cString: $0))" }
    #expect(try worker.line() == own ?? "none")
    #expect(getenv("INTERPROCESS_WORKER") == nil)
  }

  @Test("limits end a worker that passes them")
  func limits() throws {
    let server = try ForkServer.start()
    var configuration = WorkerProcessConfiguration.quiet
    configuration.limits.processorSeconds = 1
    #expect(try Observed(server, "spin", configuration).end().contains("SIGXCPU"))
    configuration.limits = WorkerLimits(dataBytes: 256 << 20)
    #expect(try Observed(server, "memory", configuration).end().hasPrefix("was killed by signal"))
    configuration.limits = WorkerLimits(openFiles: 32)
    #expect(try Observed(server, "ready end", configuration).end() == "exited with code 0")
  }

  @Test("the end of a worker's errors is kept")
  func errors() throws {
    let server = try ForkServer.start()
    var configuration = WorkerProcessConfiguration()
    configuration.standardError = .collect(lastBytes: 100)
    let few = try Observed(server, "errors segfault", configuration)
    _ = try few.end()
    #expect(few.process.errorsTail == "first line\nlast words\n")
    let many = try Observed(server, "many-errors kill", configuration)
    _ = try many.end()
    let tail = try #require(many.process.errorsTail)
    #expect(tail.hasPrefix("line 99") && tail.hasSuffix("line 9999\n") && tail.utf8.count <= 100, "\(tail)")
  }

  @Test("a worker may have workers, and no deeper than allowed")
  func nested() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "depth nested")
    #expect(try worker.line() == "depth 1")
    #expect(try worker.line() == "depth 2")
    #expect(try worker.end() == "exited with code 0")
    var none = ForkServer.Configuration()
    none.deepest = 0
    let error = #expect(throws: InterprocessError.self) { _ = try ForkServer.start(none) }
    #expect(error?.remedy?.contains("too deep") == true)
  }

  @Test("a program that another process cannot find by name is refused")
  func localProgram() throws {
    struct Local: WorkerProgram {
      static func start(_ worker: consuming WorkerStart) {}
    }
    let server = try ForkServer.start()
    // Where debug information has it found all the same, it has to run.
    do {
      let worker = try Observed(server, "", program: Local.self)
      try within10Seconds("a start") { !worker.events.isEmpty }
      guard case .started = worker.events[0] else { throw Unexpected("\(worker.events)") }
    } catch let error as InterprocessError {
      #expect(error.remedy?.contains("neither private nor local") == true)
    }
  }

  @Test("ending the fork server ends all its workers, and no more can be started")
  func end() throws {
    let server = try ForkServer.start()
    let workers = try ["spin", "block", "nap", "stop", "nap"].map { try Observed(server, $0) }
    server.end()
    for worker in workers { #expect(try worker.end() == "was killed by signal 9 (SIGKILL)") }
    try server.waitForEnd(timeout: generous)
    #expect(throws: InterprocessError.self) { _ = try Observed(server, "end") }
  }

  @Test("dropping the fork server ends its workers")
  func dropped() throws {
    var server: ForkServer? = try ForkServer.start()
    let worker = try server.map { try Observed($0, "nap") }
    server = nil
    #expect(try worker?.end() == "was killed by signal 9 (SIGKILL)")
  }
}

struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension WorkerProcessConfiguration {
  /// Crashes print to nowhere.
  static var quiet: WorkerProcessConfiguration {
    var configuration = WorkerProcessConfiguration()
    configuration.standardError = .drop
    return configuration
  }
}
