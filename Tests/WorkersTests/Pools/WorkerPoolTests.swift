import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("WorkerPool")
struct WorkerPoolTests {
  static let mechanisms = Mechanism.allCases.filter(\.isTwoWay)

  @Test("calls run in other processes, over every mechanism", .queues(4), arguments: mechanisms)
  func everyMechanism(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Subject.self, configuration: .init(count: 2, mechanism: mechanism)) { pool in
      let isTrue1 = try await pool.run { try await $0.double(21) } == 42
      #expect(isTrue1)
      let isTrue2 = try await pool.run { try await $0.process() } != getpid()
      #expect(isTrue2)
      let isTrue3 = try await pool.map(0..<50) { try await $0.double($1) } == (0..<50).map { 2 * $0 }
      #expect(isTrue3)
      let bytes = [UInt8](repeating: 3, count: 1_000_000)
      let isTrue4 = try await pool.run { try await $0.echo(bytes) } == bytes
      #expect(isTrue4)
    }
  }

  @Test("a death costs the call that ran, and no other", arguments: Death.allCases)
  func deaths(_ death: Death) async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      async let others = pool.map(0..<100) { try await $0.double($1) }
      let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die(death) } }
      #expect(crash?.processID != nil)
      #expect(crash?.call.contains("die") == true)
      switch death {
      case .kill: #expect(crash?.outOfMemory == .possible)
      case .exitThree: #expect(crash?.ending == .exited(3))
      case .exitZero: #expect(crash?.ending == .exited(0))
      case .trap: #expect(crash?.standardError.contains("Fatal error") == true)
      case .segmentationFault, .abort: break
      }
      let isTrue5 = try await others == (0..<100).map { 2 * $0 }
      #expect(isTrue5)
      let isTrue6 = try await pool.run { try await $0.double(1) } == 2
      #expect(isTrue6)
    }
  }

  @Test("errors arrive as themselves where they are Codable, else as their name and description")
  func errors() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      await #expect(throws: Refusal(why: "no")) { try await pool.run { try await $0.refuse("no") } }
      let error = await #expect(throws: RemoteError.self) { try await pool.run { try await $0.refuseInPrivate() } }
      #expect(error?.typeName.contains("Secret") == true)
      #expect(error?.message == "it is secret")
    }
  }

  @Test("a call past its deadline is answered, and its worker replaced")
  func deadline() async throws {
    var configuration = WorkerPoolConfiguration(count: 1, callDeadline: generous)
    configuration.gracePeriod = .milliseconds(50)
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let short = CallOptions(deadline: .milliseconds(100))
      await #expect(throws: CallDeadlineExceeded.self) { try await pool.run(options: short) { try await $0.spin() } }
      let isTrue7 = try await pool.run { try await $0.double(4) } == 8
      #expect(isTrue7)
    }
  }

  @Test("cancelling reaches a call that polls and never suspends")
  func cancellation() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let process = try await pool.run { try await $0.process() }
      let task = Task { try await pool.run { try await $0.poll() } }
      try await Task.sleep(for: .milliseconds(50))
      task.cancel()
      let isTrue8 = try await task.value
      #expect(isTrue8)
      let isTrue9 = try await pool.run { try await $0.process() } == process
      #expect(isTrue9)
    }
  }

  @Test("a held worker keeps its state, for its holder alone")
  func held() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      try await pool.withWorker { worker in
        for number in 1...5 {
          let isTrue10 = try await worker.next() == number
          #expect(isTrue10)
          _ = try await pool.run { try await $0.double(1) }
        }
      }
    }
  }

  @Test("reports are a sequence that ends with the call, and one of another type is an error")
  func reportSequence() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let seen = Mutex<[Int]>([])
      let count = try await pool.run(reports: Int.self) {
        try await $0.report(100)
      } listening: { reports in
        for await number in reports { seen.withLock { $0.append(number) } }
      }
      #expect(count == 100 && seen.withLock { $0 } == Array(0..<100))
      await #expect(throws: DecodingError.self) {
        try await pool.run(reports: String.self) {
          try await $0.report(3)
        } listening: { _ in
        }
      }
      await #expect(throws: CancellationError.self) {
        try await pool.run(reports: Int.self) {
          try await $0.report(3)
        } listening: { _ in
          throw CancellationError()
        }
      }
    }
  }

  @Test("reports come in order while the call runs")
  func reports() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let seen = Mutex<[Int]>([])
      let count = try await pool.run(reports: Int.self, onReport: { number in seen.withLock { $0.append(number) } }) {
        try await $0.report(100)
      }
      #expect(count == 100)
      #expect(seen.withLock { $0 } == Array(0..<100))
    }
  }

  @Test("functions without state: an element's error, or its worker's death, is that element's alone")
  func functions() async throws {
    try await withWorkerPool(count: 2) { pool in
      let isTrue11 = try await pool.map(Square.self, 0..<10_000) == (0..<10_000).map { $0 * $0 }
      #expect(isTrue11)
      var inputs = Array(0..<1000)
      inputs[500] = -1
      inputs[700] = -2
      let outcomes = try await pool.outcomes(of: Square.self, inputs)
      for (index, outcome) in outcomes.enumerated() {
        switch (index, outcome) {
        case (500, .failure(let error)): #expect(error as? Refusal == Refusal(why: "negative"))
        case (700, .failure(let error)): #expect(error is WorkerCrash)
        case (_, .success(let value)): #expect(value == index * index)
        default: Issue.record("element \(index): \(outcome)")
        }
      }
    }
  }

  @Test("calls run on the main actor of the worker, and in this process when asked to")
  func mainActorAndInline() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let isTrue12 = try await pool.run { try await $0.onMain() } == 7
      #expect(isTrue12)
    }
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.isInline = true
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let isTrue13 = try await pool.run { try await $0.process() } == getpid()
      #expect(isTrue13)
    }
  }

  @Test("a pool that is shut down answers every call, and refuses more")
  func shutDown() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 1))
    let calls = (0..<5).map { _ in Task { try await pool.run { try await $0.sleep(milliseconds: 10_000) } } }
    try await Task.sleep(for: .milliseconds(100))
    await pool.shutDown(.cancel)
    for call in calls { await #expect(throws: (any Error).self) { try await call.value } }
    await #expect(throws: PoolClosed.self) { try await pool.run { try await $0.double(1) } }
  }

  @Test("too many deaths of idle workers end the pool, and every caller is told why")
  func restartIntensity() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.restartIntensity = .init(deaths: 2, within: .seconds(60))
    let pool = try WorkerPool(of: Subject.self, configuration: configuration)
    let end = ContinuousClock.now + generous
    await #expect(throws: PoolFailed.self) {
      while ContinuousClock.now < end { kill(try await pool.run { try await $0.process() }, SIGKILL) }
    }
    await pool.shutDown(.cancel)
  }

  @Test("a call that is safe to repeat survives the deaths of its workers")
  func repeatable() async throws {
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.restartIntensity = nil
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let calls = Task {
        try await pool.map(0..<200, options: .init(isRepeatable: true)) { worker, number in
          try await worker.sleep(milliseconds: 2)
          return number
        }
      }
      for _ in 0..<10 {
        let victim = try await pool.run(options: .init(isRepeatable: true)) { try await $0.process() }
        kill(victim, SIGKILL)
        try await Task.sleep(for: .milliseconds(10))
      }
      let isTrue14 = try await calls.value == Array(0..<200)
      #expect(isTrue14)
    }
  }
}
