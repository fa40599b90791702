import Glibc
import Synchronization
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("WorkerPoolConfiguration")
struct ConfigurationTests {
  private static func configuration(
    _ count: Int = 1, _ change: (inout WorkerPoolConfiguration) -> Void
  ) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: count)
    change(&configuration)
    return configuration
  }

  @Test("a worker is replaced after so many calls")
  func recyclingAfterCalls() async throws {
    let configuration = Self.configuration { $0.recycling.calls = 3 }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      var processes: [Int32] = []
      for _ in 0..<9 { processes.append(try await pool.run { try await $0.process() }) }
      #expect(Set(processes).count == 3)
      #expect(Set(processes.prefix(3)).count == 1)
    }
  }

  @Test("a worker that has grown too large is replaced")
  func recyclingAtSize() async throws {
    let configuration = Self.configuration { $0.recycling.residentBytes = 200 << 20 }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let first = try await pool.run { try await $0.process() }
      let second = try await pool.run { try await $0.process() }
      #expect(first == second)
      let grown = try await pool.run { try await $0.grow(by: 256 << 20) }
      #expect(grown == 256 << 20)
      let third = try await pool.run { try await $0.process() }
      #expect(third != first)
    }
  }

  @Test("a worker of a certain age is replaced, though it has nothing to do")
  func recyclingAtAge() async throws {
    let configuration = Self.configuration { $0.recycling.age = .milliseconds(200) }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let first = try await pool.run { try await $0.process() }
      try await eventually("another worker") { try await pool.run { try await $0.process() } != first }
    }
  }

  @Test("spares stand ready beyond the count, and workers above the minimum go home")
  func sparesAndShrinking() async throws {
    let configuration = Self.configuration(3) {
      $0.minimumCount = 1
      $0.warmSpares = 1
      $0.idlePeriod = .milliseconds(50)
    }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      func idleWorkers() -> Int { pool.core?.state.withLock { $0.machine.workers.filter(\.isFree).count } ?? 0 }
      try await eventually("one worker and its spare") { idleWorkers() == 2 }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<3 { group.addTask { try await pool.run { try await $0.sleep(milliseconds: 300) } } }
        try await eventually("a spare beside three that are busy") { idleWorkers() == 1 }
        try await group.waitForAll()
      }
      try await eventually("the others are gone") {
        pool.core?.state.withLock { $0.machine.workers.count } == 2
      }
    }
  }

  @Test("of the calls that wait, those of higher priority go first")
  func priorities() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      func waiting() -> Int { pool.core?.state.withLock { $0.machine.queue.count } ?? 0 }
      async let first: Void = pool.run { try await $0.sleep(milliseconds: 500) }
      try await eventually("the worker is busy") {
        pool.core?.state.withLock { $0.machine.workers.contains { $0.work != nil } } == true
      }
      let low = Task { try await pool.run(options: .init(priority: .low)) { try await $0.next() } }
      try await eventually("it waits") { waiting() == 1 }
      let high = Task { try await pool.run(options: .init(priority: .high)) { try await $0.next() } }
      try await first
      let (second, third) = (try await high.value, try await low.value)
      #expect(second == 1 && third == 2)
    }
  }

  @Test("past the queue's limit calls are refused, with the limit")
  func queueLimit() async throws {
    let configuration = Self.configuration { $0.queueLimit = 1 }
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      _ = try await pool.run { try await $0.double(1) }
      let calls = (0..<6).map { _ in Task { try await pool.run { try await $0.sleep(milliseconds: 200) } } }
      var refused = 0
      for call in calls {
        do { try await call.value } catch let error as PoolQueueFull {
          refused += 1
          #expect(error.limit == 1)
        }
      }
      #expect(refused == 4, "one ran, one waited")
    }
  }

  @Test("niceness, limits and environment are the worker's own")
  func process() async throws {
    let configuration = Self.configuration {
      $0.niceness = 5
      $0.limits.openFiles = 60
      $0.environment = ["POOL_TEST": "there", "PATH": nil]
    }
    let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let niceness = try await pool.run { try await $0.niceness() }
      #expect(niceness == min(19, own + 5))
      let limit = try await pool.run { try await $0.openFilesLimit() }
      #expect(limit == 60)
      let (set, removed) = try await pool.run { (try await $0.variable("POOL_TEST"), try await $0.variable("PATH")) }
      #expect(set == "there" && removed == nil)
    }
  }

  @Test("the last words on standard error are in the crash, unless errors go elsewhere")
  func output() async throws {
    for (output, expected) in [(WorkerOutput.collect(lastBytes: 8), "words\n"), (.drop, "")] {
      let configuration = Self.configuration { $0.standardError = output }
      try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
        let crash = await #expect(throws: WorkerCrash.self) {
          try await pool.run { try await $0.say("my last\nwords\n", on: STDERR_FILENO, thenDie: true) }
        }
        #expect(crash?.standardError == expected)
      }
    }
  }

  @Test("with backtraces on, a crash brings one")
  func backtraces() async throws {
    let configuration = Self.configuration { $0.backtraces = true }
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die(.trap) } }
      #expect(crash?.backtrace?.contains("die") == true, "\(crash?.standardError ?? "")")
    }
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die(.trap) } }
      #expect(crash?.backtrace == nil)
    }
  }

  @Test(
    "a worker that runs into its memory limit died of want of memory",
    .disabled(if: Sanitizer.isPresent, "\(Sanitizer.absence)"))
  func outOfMemory() async throws {
    let configuration = Self.configuration { $0.limits.dataBytes = 400 << 20 }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let crash = await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.grow(by: 1 << 30) } }
      #expect(crash?.outOfMemory == .yes, "\(crash.map { "\($0)" } ?? "")")
    }
  }

  @Test("calls and results beyond the largest message are refused, and their worker lives")
  func maximumMessageSize() async throws {
    let configuration = Self.configuration { $0.maximumMessageSize = 10_000 }
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let process = try await pool.run { try await $0.process() }
      let large = [UInt8](repeating: 1, count: 20_000)
      await #expect(throws: WorkerCallError.self) { _ = try await pool.run { try await $0.echo(large) } }
      let error = await #expect(throws: WorkerCallError.self) { _ = try await pool.run { try await $0.bytes(20_000) } }
      #expect(error?.description.contains("maximumMessageSize") == true)
      let small = try await pool.run { try await $0.bytes(5_000) }
      #expect(small.count == 5_000)
      let same = try await pool.run { try await $0.process() }
      #expect(same == process)
    }
  }

  @Test("the end of standard output is in the crash where it is collected")
  func standardOutput() async throws {
    let configuration = Self.configuration { $0.standardOutput = .collect(lastBytes: 100) }
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let crash = await #expect(throws: WorkerCrash.self) {
        try await pool.run { try await $0.say("said\n", on: STDOUT_FILENO, thenDie: true) }
      }
      #expect(crash?.standardOutput == "said\n")
    }
  }

  @Test("a worker that speaks of memory in its log has not died for want of it")
  func talkOfMemory() async throws {
    try await withWorkerPool(of: Probe.self, count: 1) { pool in
      let log = "out of memory: cache dropped\n1\n2\n3\n4\n"
      let crash = await #expect(throws: WorkerCrash.self) {
        try await pool.run { try await $0.say(log, on: STDERR_FILENO, thenDie: true) }
      }
      #expect(crash?.outOfMemory == .possible, "it was killed, by nobody knows whom")
    }
  }

  @Test("the processors that a control group pays for are counted along its path")
  func processors() {
    #expect(Processors.groups(in: "1:cpu:/x\n0::/a/b\n") == ["", "/a", "/a/b"])
    #expect(Processors.groups(in: "") == [""])
    #expect(Processors.processors(paidBy: "150000 100000\n") == 2)
    #expect(Processors.processors(paidBy: "max 100000\n") == nil)
    #expect(Processors.processors(paidBy: "0 0") == nil)
  }

  @Test("each kill by the kernel, for want of memory, accounts for one death")
  func outOfMemoryKills() throws {
    let path = "/tmp/oom-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(path) }
    func write(_ count: Int) throws {
      let file = try #require(fopen(path, "w"))
      fputs("oom_kill_disable 0\nunder_oom 0\noom_kill \(count)\n", file)
      fclose(file)
    }
    try write(3)
    var kills = OutOfMemoryKills(path: path)
    let before = kills.takeOne()
    try write(5)
    let after = [kills.takeOne(), kills.takeOne(), kills.takeOne()]
    #expect(!before && after == [true, true, false])
    var none = OutOfMemoryKills(path: nil)
    let unknown = none.takeOne()
    #expect(!unknown)
  }
}
