import Glibc
import WorkerPrograms
import Workers

/// Where it goes what workers write: `output inherit|drop|default`.
struct PoolOutput {
  private let configuration: WorkerPoolConfiguration

  init(_ arguments: [String]) throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    switch arguments.first {
    case "inherit": (configuration.standardOutput, configuration.standardError) = (.inherit, .inherit)
    case "drop": (configuration.standardOutput, configuration.standardError) = (.drop, .drop)
    case "default": break
    default: throw Campaign.Unusable()
    }
    self.configuration = configuration
  }

  func run() async throws {
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      try await pool.run { try await $0.say("a worker's output\n", on: STDOUT_FILENO, thenDie: false) }
      do {
        try await pool.run { try await $0.say("a worker's error\n", on: STDERR_FILENO, thenDie: true) }
      } catch let crash as WorkerCrash {
        say("collected: \(crash.standardOutput + crash.standardError)")
      }
    }
    say("ended")
    exit(0)
  }
}
