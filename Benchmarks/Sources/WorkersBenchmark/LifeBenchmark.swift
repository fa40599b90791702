import BenchmarkSupport
import Glibc
import Interprocess
import Workers

/// Starting, crashing, idling, and large arguments.
struct LifeBenchmark {
  let rounds: Int

  func run(_ parts: Set<String>, _ table: inout Table) async throws {
    if parts.contains("start") { try await start(&table) }
    if parts.contains("crash") { try await crash(&table) }
    if parts.contains("idle") { try await idle(&table) }
    if parts.contains("large") { try await large(&table) }
  }

  private func start(_ table: inout Table) async throws {
    var ready: [Double] = []
    for _ in 0..<rounds {
      ready.append(try await until8AreReady())
    }
    table.add("pool of 8, all ready, ms", ready.percentile(0.5) * 1e3, .atMost(20))
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.recycling.calls = 1
    let fresh = try await time {
      try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
        _ = try await pool.map(0..<1000) { actor, _ in try await actor.process() }
      }
    }
    table.add("1,000 calls, a fresh process each, s", fresh, .atMost(3))
  }

  private func until8AreReady() async throws -> Double {
    let start = seconds()
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 8))
    // Held all at once, each has answered that it is ready.
    try await withThrowingTaskGroup(of: Void.self) { group in
      let gate = Gate(8)
      for _ in 0..<8 { group.addTask { try await pool.withWorker { _ in await gate.arrive() } } }
      try await group.waitForAll()
    }
    let end = seconds()
    await pool.shutDown(.cancel)
    return end - start
  }

  private func crash(_ table: inout Table) async throws {
    for spares in [0, 1] {
      var thrown: [Double] = []
      var replaced: [Double] = []
      var configuration = WorkerPoolConfiguration(count: 1)
      configuration.warmSpares = spares
      configuration.restartIntensity = nil
      try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
        for _ in 0..<100 {
          usleep(20_000)
          try await pool.run { try await $0.nothing() }
          let start = seconds()
          do { try await pool.run { try await $0.crash() } } catch is WorkerCrash {}
          let crashed = seconds()
          try await pool.run { try await $0.nothing() }
          thrown.append(crashed - start)
          replaced.append(seconds() - crashed)
        }
      }
      let how = spares == 0 ? "" : ", warm spare"
      table.add("crash to error, p99, ms\(how)", thrown.percentile(0.99) * 1e3, .atMost(5))
      table.add("until the next serves, p50, ms\(how)", replaced.percentile(0.5) * 1e3, .atMost(spares == 0 ? 15 : 1))
    }
  }

  private func idle(_ table: inout Table) async throws {
    try await withWorkerPool(of: Subject.self, count: 4) { pool in
      let processes = Set(try await pool.map(0..<200) { actor, _ in try await actor.process() })
      try await Task.sleep(for: .milliseconds(100))
      let before = processes.map(Self.processorSeconds).reduce(0, +) + Self.processorSeconds(getpid())
      try await Task.sleep(for: .seconds(2))
      let after = processes.map(Self.processorSeconds).reduce(0, +) + Self.processorSeconds(getpid())
      table.add("idle pool: processor time, part", (after - before) / 2, .atMost(0.01))
      let largest = processes.map(Self.privateMegabytes).max() ?? .nan
      table.add("idle worker: memory of its own, MB", largest, .atMost(3))
    }
  }

  private func large(_ table: inout Table) async throws {
    let numbers = [Double](repeating: 1, count: 128 << 17)
    let shared = try SharedArray(repeating: 1.0, count: 128 << 17)
    var copied: [Double] = []
    var passed: [Double] = []
    var results: [Double] = []
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      for _ in 0..<(rounds + 2) {
        copied.append(try await time { _ = try await pool.run { try await $0.sum(numbers) } })
      }
      for _ in 0..<(rounds + 2) {
        results.append(try await time { _ = try await pool.run { try await $0.make(128 << 17) } })
      }
      for _ in 0..<(20 * rounds + 32) {
        passed.append(try await time { _ = try await pool.run { try await $0.first(of: shared) } })
      }
    }
    table.add("128 MB argument, warm, ms", Array(copied.dropFirst(2)).percentile(0.5) * 1e3, .atMost(25))
    table.add("128 MB result, warm, ms", Array(results.dropFirst(2)).percentile(0.5) * 1e3, .none)
    table.add("the argument as a SharedArray, us", Array(passed.dropFirst(32)).percentile(0.5) * 1e6, .atMost(100))
  }

  private static func processorSeconds(_ process: pid_t) -> Double {
    let fields = text("/proc/\(process)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return .nan }
    return (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
  }

  private static func privateMegabytes(_ process: pid_t) -> Double {
    text("/proc/\(process)/smaps_rollup").split(separator: "\n").filter { $0.hasPrefix("Private") }
      .compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Double($0) } }.reduce(0, +) / 1024
  }

  private static func text(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}

/// Lets nobody pass before all have arrived.
private actor Gate {
  private var missing: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { missing = count }

  func arrive() async {
    missing -= 1
    if missing > 0 { return await withCheckedContinuation { waiting.append($0) } }
    for continuation in waiting { continuation.resume() }
  }
}
