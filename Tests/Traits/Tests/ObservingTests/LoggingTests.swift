import Glibc
import Interprocess
import Logging
import Synchronization
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("The trait Logging", .timeLimit(.minutes(2)))
struct LoggingTests {
  private let log = KeptLog()

  private func configuration(grace: Duration = .seconds(1)) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.logger = log.logger
    configuration.gracePeriod = grace
    return configuration
  }

  @Test("a crash is a warning with its call and ending, starts and ends are for debugging")
  func levels() async throws {
    let process = try await withWorkerPool(of: Subject.self, configuration: configuration()) { pool in
      let process = try await pool.run { try await $0.process() }
      _ = try? await pool.run { try await $0.die(.exitThree) }
      _ = try await pool.run { try await $0.process() }
      return process
    }
    _ = try await log.entry(.debug, "a worker is ready", of: process)
    let crash = try await log.entry(.warning, "a worker crashed")
    #expect(crash["worker"] == "\(process)" && crash["ending"] == "exited with code 3")
    #expect(crash["call"]?.contains("die") == true && crash["fault"] == nil && crash["out-of-memory"] == nil)
    #expect(try await log.entry(.debug, "a worker ended")["worker"] != "\(process)")
    #expect(try await log.entry(.debug, "the worker pool has ended") == [:])
    #expect(log.entries(.error) == [] && log.entries(.warning).count == 1)
    #expect(!log.entries.contains { $0.message == "a worker retires" }, "the pool ended, and no worker's service")
  }

  @Test("the pool's failure is an error with its cause, and each start that fails a warning with its own")
  func failure() async throws {
    var configuration = configuration()
    configuration.restartIntensity = .init(deaths: 1, within: .seconds(60))
    configuration.environment = [Unready.startVariable: Unready.Start.exits.rawValue]
    let pool = try WorkerPool(of: Unready.self, configuration: configuration)
    await #expect(throws: PoolFailed.self) { try await pool.run { try await $0.process() } }
    await pool.shutDown(.cancel)
    let errors = log.entries(.error)
    #expect(errors.count == 1 && errors.first?.message == "the worker pool has failed")
    #expect(errors.first?.metadata["cause"]?.contains("exited with code 3") == true)
    let start = try await log.entry(.warning, "a worker could not be started")
    #expect(start["worker"] != nil && start["ending"] == "exited with code 3")
    #expect(start["error"]?.contains("exited with code 3") == true)
    #expect(!log.entries.contains { $0.message == "a worker crashed" })
  }

  @Test("a worker that is never ready is killed for that, and could not be started")
  func neverReady() async throws {
    var configuration = configuration()
    // The fork server too has to be ready by then.
    configuration.startTimeout = .milliseconds(700)
    configuration.restartIntensity = nil
    configuration.environment = [Unready.startVariable: Unready.Start.ignoresTermination.rawValue]
    let pool = try WorkerPool(of: Unready.self, configuration: configuration)
    let kill = try await log.entry(.warning, "a worker is killed")
    #expect(kill["worker"] != nil && kill["fault"] == "was not ready in time")
    let start = try await log.entry(.warning, "a worker could not be started")
    #expect(start["worker"] == kill["worker"] && start["ending"] != nil && start["error"] != nil)
    await pool.shutDown(.cancel)
  }

  @Test("starts without a process, and those of the fork server, are warnings with what kept them from it")
  func noProcess() {
    let error = InterprocessError(call: "fork", errno: .resourceTemporarilyUnavailable)
    let lines = [PoolNews.startFailed(error).line, PoolNews.forkServerNotStarted(error).line]
    #expect(
      lines.map { "\($0.message)" } == ["a worker could not be started", "the fork server could not be started"])
    for line in lines { #expect(line.level == .warning && line.metadata == ["error": "\(error)"]) }
  }

  @Test("the fork server's end is a warning")
  func forkServer() async throws {
    try await withWorkerPool(of: Subject.self, configuration: configuration()) { pool in
      _ = try await pool.run { try await $0.process() }
      let server = try #require(pool.core?.state.withLock { $0.forkServer?.processID })
      kill(server, SIGKILL)
      #expect(try await log.entry(.warning, "the fork server has ended; another is started")["ending"] != nil)
    }
  }

  @Test("a worker that a signal stops is a warning, its going on a piece of information")
  func stoppedAndContinued() async throws {
    try await withWorkerPool(of: Subject.self, configuration: configuration(grace: generous)) { pool in
      let process = try await pool.run { try await $0.process() }
      kill(process, SIGSTOP)
      defer { kill(process, SIGCONT) }
      #expect(try await log.entry(.warning, "a worker was stopped") == ["worker": "\(process)"])
      kill(process, SIGCONT)
      #expect(try await log.entry(.info, "a worker was continued") == ["worker": "\(process)"])
      let same = try await pool.run { try await $0.process() }
      #expect(same == process && log.entries(.warning).count == 1)
    }
  }

  @Test("a worker that is killed for a fault is a warning with that, and so is its end")
  func faults() async throws {
    var configuration = configuration(grace: .milliseconds(50))
    configuration.restartIntensity = nil
    try await withWorkerPool(of: Mischief.self, configuration: configuration) { pool in
      let mute = try await pool.run { try await $0.process() }
      await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.closeEverything() } }
      let fault = WorkerCrash.Fault.closedChannel.rawValue
      #expect(try await log.entry(.warning, "a worker is killed", of: mute)["fault"] == fault)
      let crash = try await log.entry(.warning, "a worker crashed", of: mute)
      #expect(crash["fault"] == fault && crash["call"]?.contains("closeEverything") == true)

      let still = try await pool.run { try await $0.process() }
      kill(still, SIGSTOP)
      let stopped = ["worker": "\(still)", "fault": WorkerCrash.Fault.stopped.rawValue]
      #expect(try await log.entry(.warning, "a worker is killed", of: still) == stopped)
      let death = try await log.entry(.warning, "a worker crashed", of: still)
      #expect(death["fault"] == stopped["fault"] && death["call"] == nil)
    }
  }

  @Test("a call past its deadline is a warning with the deadline and the worker")
  func deadline() async throws {
    let deadline = Duration.milliseconds(50)
    try await withWorkerPool(of: Subject.self, configuration: configuration(grace: generous)) { pool in
      let process = try await pool.run { try await $0.process() }
      await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run(options: .init(deadline: deadline)) { try await $0.sleep(milliseconds: 1_000_000) }
      }
      let late = try await log.entry(.warning, "a call exceeded its deadline")
      #expect(late["worker"] == "\(process)" && late["deadline"] == "\(deadline)")
      #expect(late["call"]?.contains("sleep") == true)
    }
  }

  @Test("a worker that is sent home is for debugging, with the reason", arguments: Retirement.allCases)
  func retirement(reason: Retirement) async throws {
    var configuration = configuration()
    switch reason {
    case .calls: configuration.recycling.calls = 1
    case .residentBytes: configuration.recycling.residentBytes = 1
    case .age: configuration.recycling.age = .milliseconds(100)
    case .idle:
      configuration.minimumCount = 0
      configuration.idlePeriod = .milliseconds(50)
    }
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let process = try await pool.run { try await $0.process() }
      let retires = try await log.entry(.debug, "a worker retires", of: process)
      #expect(retires == ["worker": "\(process)", "reason": reason.rawValue])
    }
  }
}
