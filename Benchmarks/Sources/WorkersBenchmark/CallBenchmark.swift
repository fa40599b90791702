import BenchmarkSupport
import Interprocess
import Workers

/// What a call costs: there and back, and many of them.
struct CallBenchmark {
  let rounds: Int

  private static let calls = 5000

  func run(_ parts: Set<String>, _ table: inout Table) async throws {
    if parts.contains("calls") {
      for mechanism in [Mechanism.ring, .pipe] { try await roundTrips(over: mechanism, &table) }
      try await throughput(&table)
    }
    if parts.contains("python") { try await python(&table) }
  }

  private func roundTrips(over mechanism: Mechanism, _ table: inout Table) async throws {
    var raw: [Double] = []
    var actor: [Double] = []
    var main: [Double] = []
    var function: [Double] = []
    for _ in 0..<rounds {
      raw.append(try RawRoundTrip.measure(mechanism))
      try await withWorkerPool(of: Subject.self, configuration: .init(count: 1, mechanism: mechanism)) { pool in
        actor.append(try await medianTime { try await pool.run { try await $0.nothing() } })
        main.append(try await Self.onMainActor(pool))
        function.append(try await medianTime { _ = try await pool.call(Nothing.self, 1) })
      }
    }
    let floor = raw.percentile(0.5) * 1e6
    table.add("\(mechanism): raw round trip, us", floor, .none)
    table.add("\(mechanism): call of an actor, us", actor.percentile(0.5) * 1e6, .atMost(floor + 10))
    table.add("\(mechanism): the same from MainActor, us", main.percentile(0.5) * 1e6, .none)
    table.add("\(mechanism): call of a function, us", function.percentile(0.5) * 1e6, .atMost(floor + 3))
  }

  @MainActor
  private static func onMainActor(_ pool: WorkerPool<Subject>) async throws -> Double {
    var times: [Double] = []
    for _ in 0..<calls {
      let start = seconds()
      try await pool.run { try await $0.nothing() }
      times.append(seconds() - start)
    }
    return times.percentile(0.5)
  }

  private func medianTime(_ body: () async throws -> Void) async rethrows -> Double {
    var times: [Double] = []
    for _ in 0..<Self.calls {
      let start = seconds()
      try await body()
      times.append(seconds() - start)
    }
    return times.percentile(0.5)
  }

  private func throughput(_ table: inout Table) async throws {
    var pairs: [Double] = []
    var many: [Double] = []
    var mapped: [Double] = []
    for _ in 0..<rounds {
      try await withWorkerPool(of: Subject.self, count: 2) { pool in
        pairs.append(Double(2 * 20_000) / (try await time { try await Self.submit(pool, tasks: 2, each: 20_000) }))
        many.append(Double(8 * 5_000) / (try await time { try await Self.submit(pool, tasks: 8, each: 5_000) }))
        let inputs = Array(0..<2_000_000)
        _ = try await pool.map(Nothing.self, inputs.prefix(100_000))
        mapped.append(Double(inputs.count) / (try await time { _ = try await pool.map(Nothing.self, inputs) }))
      }
    }
    table.add("calls a second, of 8 tasks, 2 workers", many.percentile(0.5), .atLeast(100_000))
    table.add("the same of 2 tasks", pairs.percentile(0.5), .atLeast(100_000))
    table.add("function calls a second, by map", mapped.percentile(0.5), .atLeast(3_000_000))
  }

  /// As a server does: requests that know nothing of each other.
  private static func submit(_ pool: WorkerPool<Subject>, tasks: Int, each: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<tasks {
        group.addTask { for _ in 0..<each { try await pool.run { try await $0.nothing() } } }
      }
      try await group.waitForAll()
    }
  }

  private func python(_ table: inout Table) async throws {
    let script = #filePath.parentPath.parentPath.parentPath + "/Peers/pools.py"
    for line in try outputOfProgram(["timeout", "120", "python3", script]).split(separator: "\n") {
      let parts = line.split(separator: "\t")
      guard parts.count == 2, let value = Double(parts[1]) else { continue }
      table.add("Python: \(parts[0])", value, .none)
    }
  }
}

/// - Returns: seconds.
func time(_ body: () async throws -> Void) async rethrows -> Double {
  let start = seconds()
  try await body()
  return seconds() - start
}
