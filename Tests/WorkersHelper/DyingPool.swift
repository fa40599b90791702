import CInterprocess
import Glibc
import Interprocess
import Synchronization
import WorkerPrograms
import Workers

/// A pool whose parent is to be killed: `pool-dying MECHANISM [-forked-since] [-fork-server-died] [-size=BYTES]
/// STATE...`, a worker for each state.
struct DyingPool {
  private let mechanism: Mechanism
  private let options: [String]
  private let states: [String]
  /// Of the messages that are to be under way. In a debug build encoding takes long.
  private let size: Int

  init(_ arguments: [String]) throws {
    guard let mechanism = arguments.first.flatMap({ Mechanism(rawValue: $0) }) else { throw Campaign.Unusable() }
    self.mechanism = mechanism
    options = arguments.filter { $0.hasPrefix("-") }
    states = arguments.dropFirst().filter { !$0.hasPrefix("-") }
    size = options.first { $0.hasPrefix("-size=") }.flatMap { Int($0.dropFirst("-size=".count)) } ?? 64 << 20
  }

  /// What keeps this process busy.
  private static let halves = ["half-result", "half-argument"]

  func run() async throws {
    var configuration = WorkerPoolConfiguration(count: states.count, mechanism: mechanism)
    // Whoever is stopped stays so.
    configuration.gracePeriod = .seconds(100)
    let pool = try WorkerPool(of: Lingering.self, configuration: configuration)
    let begun = Counter()
    await waitForWorkers()
    // What runs holds its worker; idle ones are what is left. What keeps this process busy comes last.
    let running = states.filter { $0 != "idle" && !Self.halves.contains($0) }
    for state in running { start(state, pool, begun) }
    await wait(for: begun, running.count)
    if states.contains("half-result") {
      giveHalf(pool, begun)
      await wait(for: begun, running.count + 1)
    }
    if states.contains("idle") { _ = try await pool.run { try await $0.process() } }
    if states.contains("half-argument") {
      takeHalf(pool)
      // From here on it is sent.
      await wait("an argument was encoded") { ManyBytes.encodingCount > 0 }
    }
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
    await wait("all workers have started") {
      Footprint.descendants().count { $0.contains("(worker ") } >= states.count
    }
  }

  private func wait(for begun: Counter, _ expected: Int) async {
    await wait("\(expected) calls have begun") { begun.value >= expected }
  }

  private func wait(_ what: String, until isThere: () -> Bool) async {
    let end = ContinuousClock.now + .seconds(40)
    while !isThere() {
      if ContinuousClock.now > end { return say("never: \(what)") }
      try? await Task.sleep(for: .milliseconds(1))
    }
  }

  private func start(_ state: String, _ pool: WorkerPool<Lingering>, _ begun: Counter) {
    Task.detached {
      _ = try await pool.run(reports: CInt.self, onReport: { _ in begun.increment() }) { try await $0.linger(state) }
    }
  }

  private func giveHalf(_ pool: WorkerPool<Lingering>, _ begun: Counter) {
    let size = size
    Task.detached {
      let note: @Sendable (CInt) -> Void = { _ in
        begun.increment()
        // From here on nobody reads what the worker sends.
        while true { pause() }
      }
      _ = try await pool.run(reports: CInt.self, onReport: note) { try await $0.give(size) }
    }
  }

  private func takeHalf(_ pool: WorkerPool<Lingering>) {
    let bytes = ManyBytes(size)
    Task.detached { while true { _ = try await pool.run { try await $0.count(bytes) } } }
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  func increment() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}
