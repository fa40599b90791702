import Glibc
import WorkerPrograms
import Workers

/// A pool of two workers, of which one has a call that never ends.
func pool() throws {
  Task {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 2))
    _ = try await pool.run { try await $0.poll() }
  }
  while true { pause() }
}

/// Those that are async, and end the process themselves.
func poolScenario(_ arguments: [String]) throws {
  Task {
    do {
      switch arguments[0] {
      case "campaign": try await Campaign(Array(arguments.dropFirst())).run()
      case "matrix": try await Matrix(Array(arguments.dropFirst())).run()
      case "hostile": try await HostileWorkers(Array(arguments.dropFirst())).run()
      case "claims": try await HostileClaims(Array(arguments.dropFirst())).run()
      case "output": try await PoolOutput(Array(arguments.dropFirst())).run()
      case "pool-dying": try await DyingPool(Array(arguments.dropFirst())).run()
      case "calls": try await PoolPlaces(Array(arguments.dropFirst())).run()
      default: throw Campaign.Unusable()
      }
    } catch {
      say("error: \(error)")
    }
    exit(1)
  }
  while true { pause() }
}

/// How long calls with large arguments take, warm.
func large() throws {
  let bytes = [UInt8](repeating: 1, count: 128 << 20)
  Task {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      var times: [Double] = []
      for _ in 0..<12 {
        let start = ContinuousClock.now
        _ = try await pool.run { try await $0.count(bytes) }
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        times.append(Double(seconds) * 1e3 + Double(attoseconds) * 1e-15)
      }
      say("128 MB argument: first \(times[0]) ms, then p50 \(times[1...].sorted()[5]) ms")
    }
    exit(0)
  }
  while true { pause() }
}
