import Glibc
import Interprocess
import Synchronization
import WorkerPrograms
import Workers

/// Attacks on a pool by its own workers: `hostile MECHANISM ROUNDS SEED`, or `hostile MECHANISM HOSTILITY` for one that
/// tells what its call came to.
struct HostileWorkers {
  private let mechanism: Mechanism
  private let rounds: Int
  private let seed: UInt64
  private let only: Hostility?

  init(_ arguments: [String]) throws {
    guard arguments.count >= 2, let mechanism = Mechanism(rawValue: arguments[0]) else { throw Campaign.Unusable() }
    self.mechanism = mechanism
    only = Hostility(rawValue: arguments[1])
    rounds = Int(arguments[1]) ?? 1
    seed = arguments.count > 2 ? UInt64(arguments[2]) ?? 1 : 1
  }

  func run() async throws {
    Footprint.leadSession()
    if only == nil { say("seed \(seed)") }
    let watchdog = Watchdog(seconds: 60)
    let memory = OwnMemory.peak
    try await withWorkerPool(of: Hostile.self, configuration: Self.configuration(mechanism)) { pool in
      try await Self.check(pool)
      if let only { say("outcome: \(await attack(pool, [only], seed, deadline: nil, thenEnds: false))") }
      if only == nil { try await fuzz(pool, watchdog) }
      for _ in 0..<4 { try await Self.check(pool) }
    }
    let more = (OwnMemory.peak - memory) >> 20
    say(more < 128 ? "memory bounded" : "\(more) MB more memory")
    let left = Footprint.descendants()
    say(left.isEmpty ? "ended" : "\(left)")
    exit(0)
  }

  static func configuration(_ mechanism: Mechanism) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 2, mechanism: mechanism)
    configuration.restartIntensity = nil
    configuration.gracePeriod = .milliseconds(100)
    configuration.maximumAttempts = 20
    return configuration
  }

  private func fuzz(_ pool: WorkerPool<Hostile>, _ watchdog: Watchdog) async throws {
    var random = SeededGenerator(seed: seed)
    var tally: [String: Int] = [:]
    for round in 0..<rounds {
      watchdog.pet("round \(round)")
      let how = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        Hostility.allCases.randomElement(using: &random) ?? .garbage
      }
      let seed = random.next()
      let outcome = await attack(pool, how, seed, deadline: .milliseconds(200), thenEnds: Bool.random(using: &random))
      tally[String(outcome.prefix { $0 != " " }), default: 0] += 1
      watchdog.pet("after round \(round): \(how), which came to \(outcome)")
      try await Self.check(pool)
    }
    say("\(mechanism) \(rounds) rounds: \(tally.sorted { $0.key < $1.key })")
  }

  /// - Returns: what its call came to, in words.
  private func attack(
    _ pool: WorkerPool<Hostile>, _ how: [Hostility], _ seed: UInt64, deadline: Duration?, thenEnds: Bool
  ) async -> String {
    await Self.described {
      try await pool.run(options: .init(deadline: deadline)) {
        try await $0.attack(how, seed: seed, thenEnds: thenEnds)
      }
    }
  }

  static func described<Value>(_ call: () async throws -> Value) async -> String {
    do {
      return "value \(try await call())"
    } catch let crash as WorkerCrash {
      return "crash \(crash)"
    } catch {
      return "\(type(of: error)) \(error)"
    }
  }

  /// What is asked for in good faith comes right, though by another worker perhaps.
  static func check(_ pool: WorkerPool<Hostile>) async throws {
    let double = try await pool.run(options: .init(isRepeatable: true)) { try await $0.double(21) }
    guard double == 42 else { throw Wrong(answer: double) }
  }

  struct Wrong: Error { let answer: Int }
}

/// What this process has of the machine's memory, in bytes.
enum OwnMemory {
  static var now: Int { field("VmRSS:") }
  static var peak: Int { field("VmHWM:") }

  /// From here on the peak is a new one.
  static func forgetPeak() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }

  private static func field(_ name: String) -> Int {
    let line = lines(of: "/proc/self/status").first { $0.hasPrefix(name) } ?? ""
    return (Int(line.filter(\.isNumber)) ?? 0) << 10
  }
}

/// Ends the process, saying what it was at, when nothing happens for so long.
final class Watchdog: Sendable {
  private let state = Mutex((what: "the beginning", at: ContinuousClock.now))

  init(seconds: Int) {
    startThread { [self] in
      while true {
        sleep(1)
        let (what, at) = state.withLock { $0 }
        if ContinuousClock.now - at < .seconds(seconds) { continue }
        say("hung: \(what); \(Footprint.descendants())")
        exit(3)
      }
    }
  }

  func pet(_ what: String) { state.withLock { $0 = (what, .now) } }
}
