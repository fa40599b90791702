import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("WorkerPool", .timeLimit(.minutes(3)))
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
      switch (death, crash?.ending) {
      case (.kill, .signalled(SIGKILL, _)): #expect(crash?.outOfMemory == .possible)
      case (.exitThree, .exited(3)), (.exitZero, .exited(0)): break
      case (.trap, .signalled(let signal, _)):
        #expect([SIGILL, SIGTRAP].contains(signal))
        // Optimised, what traps says nothing.
        #if DEBUG
          #expect(crash?.standardError.contains("Fatal error") == true)
        #endif
      case (.segmentationFault, .signalled(SIGSEGV, _)), (.abort, .signalled(SIGABRT, _)): break
      case (_, let ending): Issue.record("\(death) ended as \(ending.map { "\($0)" } ?? "nobody knows")")
      }
      if death != .kill { #expect(crash?.outOfMemory == .no) }
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
      let process = try await pool.run { try await $0.process() }
      let short = CallOptions(deadline: .milliseconds(100))
      let error = await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run(options: short) { try await $0.spin() }
      }
      #expect(error?.deadline == .milliseconds(100) && error?.call.contains("spin") == true)
      let next = try await pool.run { try await $0.process() }
      #expect(next != process)
      #expect(kill(process, 0) == -1 && errno == ESRCH)
    }
  }

  @Test("calls made without options within others that have some have none")
  func nestedOptions() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      try await pool.run(options: .init(deadline: .milliseconds(100))) { _ in
        try await pool.run { try await $0.sleep(milliseconds: 500) }
      }
      await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run { _ in
          try await pool.run(options: .init(deadline: .milliseconds(100))) {
            try await $0.sleep(milliseconds: 10_000)
          }
        }
      }
    }
  }

  @Test("cancelling reaches a call that polls and never suspends")
  func cancellation() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let process = try await pool.run { try await $0.process() }
      let began = Mutex(false)
      let task = Task {
        try await pool.run(reports: Int.self, onReport: { _ in began.withLock { $0 = true } }) {
          try await $0.reportAndPoll()
        }
      }
      while !began.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
      task.cancel()
      let isTrue8 = try await task.value
      #expect(isTrue8)
      let isTrue9 = try await pool.run { try await $0.process() } == process
      #expect(isTrue9)
    }
  }

  @Test("a call that never stops reporting can be cancelled", .timeLimit(.minutes(1)))
  func cancellationAmidReports() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.gracePeriod = .milliseconds(100)
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let began = Mutex(false)
      let task = Task {
        try await pool.run(reports: Int.self, onReport: { _ in began.withLock { $0 = true } }) {
          try await $0.report(.max)
        }
      }
      while !began.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  @Test("a held worker keeps its state, for its holder alone")
  func held() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      try await pool.withWorker { worker in
        let process = try await worker.process()
        for number in 1...5 {
          let count = try await worker.next()
          #expect(count == number)
          let others = try await pool.map(0..<4) { other, _ in
            _ = try await other.next()
            return try await other.process()
          }
          #expect(!others.contains(process))
        }
      }
      // Its state is there for whoever comes next.
      let counts = try await pool.map(0..<20) { worker, _ in (try await worker.process(), try await worker.next()) }
      #expect(Set(counts.map(\.0)).count <= 2 && counts.contains { $0.1 > 5 })
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
      let outcomes = try await pool.mapOutcomes(Square.self, inputs)
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
      await pool.shutDown()
      await #expect(throws: PoolClosed.self) { try await pool.run { try await $0.process() } }
      await #expect(throws: PoolClosed.self) { try await pool.map([1]) { try await $0.double($1) } }
    }
  }

  @Test("a held worker that is used after it was given back is said to be held no longer")
  func escaped() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let held = try await pool.withWorker { $0 }
      let error = await #expect(throws: WorkerLost.self) { try await held.double(1) }
      #expect(error?.description.contains("held no longer") == true)
    }
  }

  @Test("a pool that is shut down answers every call, and refuses more")
  func shutDown() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 1))
    let process = try await pool.run { try await $0.process() }
    let began = Mutex(false)
    let running = Task {
      try await pool.run(reports: Int.self, onReport: { _ in began.withLock { $0 = true } }) {
        try await $0.reportAndPoll()
      }
    }
    while !began.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
    let waiting = (0..<5).map { _ in Task { try await pool.run { try await $0.double(1) } } }
    // One of them may be made after the end: it is refused likewise.
    try await Task.sleep(for: .milliseconds(50))
    await pool.shutDown(.cancel)
    // The one that ran saw the cancellation, and answered for itself.
    let isCancelled = try await running.value
    #expect(isCancelled)
    for call in waiting { await #expect(throws: PoolClosed.self) { try await call.value } }
    await #expect(throws: PoolClosed.self) { try await pool.run { try await $0.double(1) } }
    #expect(kill(process, 0) == -1 && errno == ESRCH)
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

  @Test("a call that is safe to repeat is made again when its worker dies, and any other is not")
  func repeatable() async throws {
    let board = try MarkBoard(calls: 40)
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.restartIntensity = nil
    configuration.environment = [MarkBoard.variable: board.path]
    try await withWorkerPool(of: Victim.self, configuration: configuration) { pool in
      let answers = try await pool.map(0..<20, options: .init(isRepeatable: true)) { worker, call in
        try await worker.work(call, microseconds: 100, fate: call % 2 == 0 ? .kill : nil)
      }
      #expect(answers == (0..<20).map(Victim.answer))
      for call in 0..<20 { #expect(board.begun(call) == (call % 2 == 0 ? 2 : 1) && board.ended(call) == 1) }
      let crash = await #expect(throws: WorkerCrash.self) {
        try await pool.run { try await $0.work(20, microseconds: 0, fate: .kill) }
      }
      #expect(crash?.attempt == 1 && board.begun(20) == 1)
    }
  }

  @Test("a call whose every attempt costs a worker is given up after so many")
  func attempts() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.maximumAttempts = 4
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let crash = await #expect(throws: WorkerCrash.self) {
        try await pool.run(options: .init(isRepeatable: true)) { try await $0.die(.exitThree) }
      }
      #expect(crash?.attempt == 4)
      let double = try await pool.run { try await $0.double(1) }
      #expect(double == 2)
    }
  }
}
