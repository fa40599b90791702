import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("Deadlines, cancellation and the end of a pool", .timeLimit(.minutes(3)))
struct PoolDeadlineTests {
  /// Makes a call that tells when it has begun, and waits for that.
  private func begin(
    _ pool: WorkerPool<Lingering>, _ how: String, options: CallOptions = .init()
  ) async throws -> (task: Task<[[UInt8]], any Error>, process: pid_t) {
    let process = Mutex<pid_t>(0)
    let task = Task {
      try await pool.run(reports: pid_t.self, options: options, onReport: { id in process.withLock { $0 = id } }) {
        try await $0.linger(how)
      }
    }
    while process.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
    return (task, process.withLock { $0 })
  }

  private func configuration(_ count: Int) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: count)
    configuration.gracePeriod = .milliseconds(100)
    configuration.restartIntensity = nil
    return configuration
  }

  private func isGone(_ process: pid_t) -> Bool { kill(process, 0) == -1 && errno == ESRCH }

  @Test("a deadline counts from when the call runs, however long it waited before")
  func fromTheStart() async throws {
    try await withWorkerPool(of: Subject.self, configuration: configuration(1)) { pool in
      // So that starting the worker is not part of it.
      _ = try await pool.run { try await $0.double(1) }
      let start = ContinuousClock.now
      async let first: Void = pool.run { try await $0.sleep(milliseconds: 3000) }
      try await Task.sleep(for: .milliseconds(100))
      let double = try await pool.run(options: .init(deadline: .milliseconds(1500))) { try await $0.double(4) }
      #expect(double == 8)
      try await first
      #expect(ContinuousClock.now - start >= .milliseconds(3000), "it waited")
    }
  }

  @Test("how long a call's arguments travel is not of its deadline's")
  func travelling() async throws {
    var configuration = configuration(1)
    configuration.mechanism = .pipe
    try await withWorkerPool(of: Large.self, configuration: configuration) { pool in
      _ = try await pool.run { try await $0.count([]) }
      let ballast = Ballast(byteCount: 512 << 20)
      let deadline = Duration.milliseconds(150)
      let start = ContinuousClock.now
      let isThrownOff = try await pool.run(options: .init(deadline: deadline)) { try await $0.receive(ballast) }
      #expect(isThrownOff)
      #expect(ContinuousClock.now - start > deadline, "it travelled for longer than it may run")
    }
  }

  @Test("a call past its deadline that never yields loses its worker, and no other call notices")
  func othersGoOn() async throws {
    try await withWorkerPool(of: Lingering.self, configuration: configuration(3)) { pool in
      let polling = try await begin(pool, "poll")
      let spinning = try await begin(pool, "spin", options: .init(deadline: .milliseconds(200)))
      let blocked = try await begin(pool, "block", options: .init(deadline: .milliseconds(200)))
      for late in [spinning, blocked] { await #expect(throws: CallDeadlineExceeded.self) { try await late.task.value } }
      // Two new workers serve, beside the one that is busy all the while.
      let processes = try await pool.map(0..<20) { worker, _ in try await worker.process() }
      #expect(!processes.contains(polling.process))
      polling.task.cancel()
      let answer = try await polling.task.value
      #expect(answer == [[1]], "a loop that polls sees its cancellation")
      let end = ContinuousClock.now + generous
      while !isGone(spinning.process) || !isGone(blocked.process), ContinuousClock.now < end {
        try await Task.sleep(for: .milliseconds(5))
      }
      #expect(isGone(spinning.process) && isGone(blocked.process))
      #expect(!isGone(polling.process))
    }
  }

  @Test("a cancelled call that waits is answered, and is never made")
  func cancelledWhileWaiting() async throws {
    try await withWorkerPool(of: Subject.self, configuration: configuration(1)) { pool in
      let counted = try await pool.run { try await $0.next() }
      #expect(counted == 1)
      async let first: Void = pool.run { try await $0.sleep(milliseconds: 500) }
      try await Task.sleep(for: .milliseconds(100))
      let second = Task { try await pool.run { try await $0.next() } }
      try await Task.sleep(for: .milliseconds(50))
      second.cancel()
      await #expect(throws: CancellationError.self) { try await second.value }
      try await first
      let next = try await pool.run { try await $0.next() }
      #expect(next == 2)
    }
  }

  @Test("draining answers what runs and what waits, and leaves no process")
  func drain() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: configuration(2))
    let processes = try await Set(pool.map(0..<20) { worker, _ in try await worker.process() })
    let calls = (0..<10).map { number in
      Task {
        try await pool.run {
          try await $0.sleep(milliseconds: 30)
          return try await $0.double(number)
        }
      }
    }
    let waiting = (0..<10).map { number in Task { try await pool.run { try await $0.double(number) } } }
    try await Task.sleep(for: .milliseconds(100))
    await pool.shutDown(.drain())
    for (number, call) in waiting.enumerated() {
      let double = try await call.value
      #expect(double == 2 * number)
    }
    // Of two calls in a row the second may be refused: it is made after the end has begun.
    for call in calls { _ = await call.result }
    for process in processes { #expect(isGone(process)) }
  }

  @Test("draining with a limit cancels what is left then, and ends")
  func drainWithin() async throws {
    let pool = try WorkerPool(of: Lingering.self, configuration: configuration(2))
    let polling = try await begin(pool, "poll")
    let spinning = try await begin(pool, "spin")
    let waiting = (0..<5).map { _ in Task { try await pool.run { try await $0.process() } } }
    try await Task.sleep(for: .milliseconds(50))
    await pool.shutDown(.drain(within: .milliseconds(100)))
    let answer = try await polling.task.value
    #expect(answer == [[1]])
    for late in [spinning.task] { await #expect(throws: PoolClosed.self) { try await late.value } }
    for call in waiting { _ = await call.result }
    #expect(isGone(polling.process) && isGone(spinning.process))
  }

  @Test("cancelling ends with calls that spin, are blocked with every signal blocked, or stopped")
  func cancelAll() async throws {
    let pool = try WorkerPool(of: Lingering.self, configuration: configuration(3))
    var calls: [(task: Task<[[UInt8]], any Error>, process: pid_t)] = []
    for how in ["spin", "block", "stop"] { calls.append(try await begin(pool, how)) }
    await pool.shutDown(.cancel)
    for call in calls {
      await #expect(throws: (any Error).self) { try await call.task.value }
      #expect(isGone(call.process))
    }
  }

  @Test("a pool that is let go of ends its workers")
  func letGo() async throws {
    var pool: WorkerPool<Lingering>? = try WorkerPool(of: Lingering.self, configuration: configuration(2))
    let process = try await pool?.run { try await $0.process() } ?? 0
    pool = nil
    let end = ContinuousClock.now + generous
    while !isGone(process), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
    #expect(isGone(process))
  }
}
