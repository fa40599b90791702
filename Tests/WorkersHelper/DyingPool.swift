import CInterprocess
import Glibc
import Interprocess
import Synchronization
import WorkerPrograms
import Workers

/// A pool whose parent is to be killed: `pool-dying MECHANISM [-forked-since] [-fork-server-died] STATE...`, a worker for
/// each state.
struct DyingPool {
  private let mechanism: Mechanism
  private let options: [String]
  private let states: [String]

  init(_ arguments: [String]) throws {
    guard let mechanism = arguments.first.flatMap({ Mechanism(rawValue: $0) }) else { throw Campaign.Unusable() }
    self.mechanism = mechanism
    options = arguments.filter { $0.hasPrefix("-") }
    states = arguments.dropFirst().filter { !$0.hasPrefix("-") }
  }

  func run() async throws {
    var configuration = WorkerPoolConfiguration(count: states.count, mechanism: mechanism)
    // Whoever is stopped stays so.
    configuration.gracePeriod = .seconds(100)
    let pool = try WorkerPool(of: Lingering.self, configuration: configuration)
    let begun = Counter()
    await waitForWorkers()
    // What runs holds its worker; idle ones are what is left. What keeps this process busy comes last.
    for state in states where !["idle", "half-result", "half-argument"].contains(state) { start(state, pool, begun) }
    await wait(for: begun, states.count { !["idle", "half-result", "half-argument"].contains($0) })
    if states.contains("half-result") {
      let before = begun.value
      start("half-result", pool, begun)
      await wait(for: begun, before + 1)
    }
    if states.contains("idle") { _ = try await pool.run { try await $0.process() } }
    if states.contains("half-argument") { start("half-argument", pool, begun) }
    if options.contains("-fork-server-died") {
      for server in Footprint.forkServers() { kill(server, SIGKILL) }
      usleep(200_000)
    }
    if options.contains("-forked-since") {
      let other = ci_fork()
      if other == 0 {
        alarm(30)
        while true { pause() }
      }
      say("other \(other)")
    }
    usleep(100_000)
    say("ready")
    withExtendedLifetime(pool) { while true { pause() } }
  }

  /// They start one after the other, and the first calls need not all of them.
  private func waitForWorkers() async {
    let end = ContinuousClock.now + .seconds(40)
    while Footprint.descendants().count(where: { $0.contains("(worker ") }) < states.count, ContinuousClock.now < end {
      try? await Task.sleep(for: .milliseconds(5))
    }
  }

  private func wait(for begun: Counter, _ expected: Int) async {
    let end = ContinuousClock.now + .seconds(40)
    while begun.value < expected, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(1)) }
    if begun.value < expected { say("no more than \(begun.value) calls have begun") }
  }

  private func start(_ state: String, _ pool: WorkerPool<Lingering>, _ begun: Counter) {
    Task.detached {
      if state == "half-argument" {
        let text = String(repeating: "x", count: Lingering.largeSize / 2)
        while true { _ = try await pool.run { try await $0.count(text) } }
      }
      let note: @Sendable (CInt) -> Void = { _ in
        begun.increment()
        // From here on nobody reads what the worker sends.
        if state == "half-result" { while true { pause() } }
      }
      _ = try await pool.run(reports: CInt.self, onReport: note) { try await $0.linger(state) }
    }
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  func increment() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}
