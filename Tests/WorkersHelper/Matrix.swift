import Glibc
import Interprocess
import WorkerPrograms
import Workers

/// One cell of the crash matrix: `matrix STAGE WAY MECHANISM [MILLISECONDS of the calls' deadline]`.
struct Matrix {
  let stage: Stage
  let way: Way
  private let mechanism: Mechanism
  private let deadline: Duration?

  init(_ arguments: [String]) throws {
    guard arguments.count >= 3, let stage = Stage(rawValue: arguments[0]), let way = Way(rawValue: arguments[1]),
      let mechanism = Mechanism(rawValue: arguments[2])
    else { throw Campaign.Unusable() }
    (self.stage, self.way, self.mechanism) = (stage, way, mechanism)
    deadline = arguments.dropFirst(3).first.flatMap { Int($0) }.map { .milliseconds($0) }
  }

  private var configuration: WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 1, mechanism: mechanism)
    configuration.gracePeriod = .milliseconds(150)
    configuration.restartIntensity = nil
    if way == .memory { configuration.limits.dataBytes = 400 << 20 }
    if stage == .starting {
      configuration.startTimeout = .milliseconds(700)
      configuration.restartIntensity = .init(deaths: 2, within: .seconds(60))
      configuration.environment = [Mortal.startVariable: way.rawValue]
    }
    return configuration
  }

  /// Swift starts the threads of its pool as they are needed, and keeps them: they are not what is looked for.
  private static func startThreads() async {
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<(4 * sysconf(CInt(_SC_NPROCESSORS_ONLN))) { group.addTask { usleep(5_000) } }
    }
  }

  func run() async throws {
    Footprint.leadSession()
    // What a first pool leaves for the next.
    try await withWorkerPool(of: Subject.self, configuration: .init(count: 1, mechanism: mechanism)) { pool in
      _ = try await pool.run { try await $0.double(1) }
    }
    await Self.startThreads()
    let before = Footprint.settled()
    try await fill()
    for left in before.left() { say("left: \(left)") }
    say("ended")
    exit(0)
  }

  /// The pool is gone when this returns.
  private func fill() async throws {
    let pool = try WorkerPool(of: Mortal.self, configuration: configuration)
    say("outcome: \(await outcome(pool))")
    if stage != .starting { say("then: \(await described { _ = try await pool.run { try await $0.process() } })") }
    await pool.shutDown()
  }

  private func outcome(_ pool: WorkerPool<Mortal>) async -> String {
    let options = CallOptions(deadline: deadline)
    let (stage, way) = (stage, way)
    return await described {
      switch stage {
      case .decoding, .running, .encoding:
        _ = try await pool.run(options: options) { try await $0.take(Fuse(stage, way)) }
      case .halfWay:
        let hold: @Sendable (CInt) -> Void = { process in Self.wait(forEndOrStopOf: process) }
        _ = try await pool.run(reports: CInt.self, options: options, onReport: hold) { try await $0.half(way) }
      case .idle:
        let process = try await pool.run { try await $0.later(way) }
        if way != .ignoringTermination { Self.wait(forEndOf: process) }
      case .starting: _ = try await pool.run { try await $0.process() }
      case .shuttingDown: _ = try await pool.run { try await $0.atExit(way) }
      }
    }
  }

  private func described(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return "value"
    } catch let crash as WorkerCrash {
      return "crash \(crash.ending.map { "\($0)" } ?? "unknown"), out of memory \(crash.outOfMemory)"
    } catch {
      return "\(type(of: error)) \(error)"
    }
  }

  private static func wait(forEndOrStopOf process: CInt) {
    wait { state in
      state.isEmpty || state.contains(") Z ") || state.contains(") T ") || state.contains(") X ")
    } of: {
      Footprint.status(of: process)
    }
  }

  private static func wait(forEndOf process: CInt) {
    wait { state in
      state.isEmpty || state.contains(") Z ") || state.contains(") X ")
    } of: {
      Footprint.status(of: process)
    }
  }

  /// Blocks its thread: as a report's reader it keeps the pool from reading more.
  private static func wait(until isThere: (String) -> Bool, of state: () -> String) {
    let end = ContinuousClock.now + .seconds(10)
    while !isThere(state()), ContinuousClock.now < end { usleep(500) }
  }
}
