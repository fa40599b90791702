import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing

@testable import Workers

@Suite("What a pool's processes do to it", .timeLimit(.minutes(2)))
struct PoolMisfortuneTests {
  private static func configuration(
    _ count: Int = 1, _ mechanism: Mechanism = .ring, grace: Duration = .milliseconds(50)
  ) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: count, mechanism: mechanism)
    configuration.restartIntensity = nil
    configuration.gracePeriod = grace
    return configuration
  }

  private func forkServer(of pool: WorkerPool<Mischief>) -> CInt? {
    pool.core?.state.withLock { $0.forkServer?.processID }
  }

  @Test("when the fork server dies, calls that run go on, and so do their workers")
  func forkServerDeath() async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(2)) { pool in
      try await eventually("both are ready") {
        pool.core?.state.withLock { $0.machine.workers.filter(\.isFree).count } == 2
      }
      let before = Set(pool.core?.state.withLock { $0.workers.values.compactMap(\.processID) } ?? [])
      let calls = (0..<2).map { _ in Task { try await pool.run { try await $0.sleep(milliseconds: 500) } } }
      try await Task.sleep(for: .milliseconds(50))
      let first = try #require(forkServer(of: pool))
      kill(first, SIGKILL)
      var after: Set<Int32> = []
      for call in calls { after.insert(try await call.value) }
      #expect(after == before)
      try await eventually("another fork server") {
        guard let next = forkServer(of: pool) else { return false }
        return next != first
      }
      // The next fork server replaces what the first has left.
      await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die() } }
      for _ in 0..<4 { _ = try await pool.run { try await $0.process() } }
    }
  }

  @Test("a fork server that is stopped keeps nobody from learning that a worker has died")
  func stoppedForkServer() async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(2)) { pool in
      _ = try await pool.run { try await $0.process() }
      let server = try #require(forkServer(of: pool))
      kill(server, SIGSTOP)
      await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die() } }
      kill(server, SIGCONT)
    }
  }

  @Test("nothing of a dead worker stays: neither descriptors nor memory")
  func nothingStays() async throws {
    let configuration = Self.configuration()
    try await withWorkerPool(of: Mischief.self, configuration: configuration) { pool in
      var dead: [Weak] = []
      for _ in 0..<5 {
        _ = try await pool.run { try await $0.process() }
        for worker in pool.core?.state.withLock({ Array($0.workers.values) }) ?? [] { dead.append(Weak(worker)) }
        await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die() } }
      }
      #expect(dead.count >= 5)
      try await eventually("all are let go") { dead.allSatisfy { $0.worker == nil && $0.channel == nil } }
    }
  }

  @Test("nothing of a pool that has ended stays")
  func noPoolStays() async throws {
    weak var core: PoolCore?
    var workers: [Weak] = []
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(2)) { pool in
      core = pool.core
      _ = try await pool.run { try await $0.process() }
      try await pool.withWorker { worker in _ = try await worker.process() }
      _ = try await pool.map(0..<10) { worker, _ in try await worker.process() }
      workers = pool.core?.state.withLock { $0.workers.values.map { Weak($0) } } ?? []
    }
    try await eventually("the workers are let go") { workers.allSatisfy { $0.worker == nil && $0.channel == nil } }
    try await eventually("the pool is let go") { core == nil }
  }

  private struct Weak {
    weak var worker: PooledWorker?
    weak var channel: Channel?

    init(_ worker: PooledWorker) {
      self.worker = worker
      channel = worker.channel
    }
  }

  @Test(
    "a worker that closes its channel and lives on costs its call, and is replaced", .queues(4),
    arguments: [Mechanism.ring, .socketPair, .pipe, .posixMessageQueue, .systemVMessageQueue])
  func closedChannel(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(1, mechanism)) { pool in
      let first = try await pool.run { try await $0.process() }
      let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.closeEverything() } }
      #expect(crash?.fault == .closedChannel)
      let second = try await pool.run { try await $0.process() }
      #expect(first != second)
    }
  }

  @Test(
    "a worker that sends what is no frame costs its call, and is replaced", .queues(4),
    arguments: [Mechanism.ring, .socketPair, .posixMessageQueue, .systemVMessageQueue])
  func garbage(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(1, mechanism)) { pool in
      for _ in 0..<5 {
        let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.sendGarbage() } }
        #expect(crash?.fault == .protocolViolation)
        _ = try await pool.run { try await $0.process() }
      }
    }
  }

  @Test("a worker that is stopped costs its call, which is told so, and is replaced")
  func stopped() async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(1)) { pool in
      let process = try await pool.run { try await $0.process() }
      let call = Task { try await pool.run { try await $0.sleep(milliseconds: 60_000) } }
      // Stopped before it has begun, it would cost nothing: another worker would take the call.
      try await eventually("the call runs") { hasBegunLastCall(pool) }
      kill(process, SIGSTOP)
      let crash = await #expect(throws: WorkerCrash.self) { try await call.value }
      #expect(crash?.fault == .stopped)
      _ = try await pool.run { try await $0.process() }
    }
  }

  @Test("a cancellation that a call's own code throws arrives as one")
  func ownCancellation() async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(1)) { pool in
      _ = await #expect(throws: CancellationError.self) { try await pool.run { try await $0.giveUp() } }
    }
  }

  @Test("a call sent to a worker that has died meanwhile goes to another", arguments: [Mechanism.ring, .socketPair])
  func deadIdleWorkers(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(2, mechanism)) { pool in
      var victim = try await pool.run { try await $0.process() }
      for round in 0..<40 {
        kill(victim, SIGKILL)
        usleep(UInt32(round % 4) * 300)
        victim = try await pool.run { try await $0.process() }
      }
    }
  }

  @Test("a call may report after its deadline has been answered, and its worker lives")
  func lateReports() async throws {
    let configuration = Self.configuration(grace: generous)
    try await withWorkerPool(of: Mischief.self, configuration: configuration) { pool in
      let process = try await pool.run { try await $0.process() }
      await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run(options: .init(deadline: .milliseconds(50))) { try await $0.reportPastCancellation() }
      }
      let same = try await pool.run { try await $0.process() }
      #expect(process == same)
    }
  }

  @Test("a task that a call has left behind may report, and its worker lives")
  func strayReports() async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration()) { pool in
      let process = try await pool.run { try await $0.leaveReporter() }
      for _ in 0..<20 {
        let same = try await pool.run { try await $0.sleep(milliseconds: 2) }
        #expect(process == same)
      }
    }
  }

  @Test("calls that crash their workers do not end the pool, however many they are")
  func manyCrashes() async throws {
    try await withWorkerPool(of: Mischief.self, count: 2) { pool in
      for _ in 0..<12 { await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die() } } }
      _ = try await pool.run { try await $0.process() }
    }
  }

  @Test(
    "a worker that speaks out of turn is dropped, and the next call, which it would have had, goes to another",
    arguments: [Mechanism.ring, .pipe, .posixMessageQueue])
  func outOfTurn(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Mischief.self, configuration: Self.configuration(1, mechanism)) { pool in
      let first = try await pool.run { try await $0.speakOutOfTurn() }
      try await Task.sleep(for: .milliseconds(200))
      let second = try await pool.run { try await $0.process() }
      #expect(first != second)
    }
  }

  @Test("workers that never start end the pool, with the cause")
  func neverStarted() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.restartIntensity = .init(deaths: 3, within: .milliseconds(1))
    let pool = try WorkerPool(of: Unwilling.self, configuration: configuration)
    let error = await #expect(throws: PoolFailed.self) { try await pool.withWorker { _ in } }
    #expect(error?.cause.contains("Unwillingness") == true, "\(error.map { "\($0)" } ?? "")")
    await pool.shutDown()
    // What became of the fork server since is no cause.
    let later = await #expect(throws: PoolFailed.self) { try await pool.withWorker { _ in } }
    #expect(later == error)
  }

  @Test("a drain ends in its time, though a call does not")
  func boundedDrain() async throws {
    let pool = try WorkerPool(of: Mischief.self, configuration: Self.configuration())
    let call = Task { try await pool.run { try await $0.spin() } }
    try await eventually("the call runs") { hasBegunLastCall(pool) }
    await pool.shutDown(.drain(within: .milliseconds(50)))
    await #expect(throws: PoolClosed.self) { try await call.value }
  }
}

/// Whether the call made last runs in its worker, which is later than that it was given to one.
func hasBegunLastCall<Worker>(_ pool: WorkerPool<Worker>) -> Bool {
  guard let core = pool.core else { return false }
  let last = core.lastCall.load(ordering: .relaxed)
  return core.state.withLock { state in
    // An answered one was removed.
    state.calls[CallID(rawValue: last)] != nil
      && state.workers.values.contains { $0.journal.call == UInt64(last) }
  }
}
