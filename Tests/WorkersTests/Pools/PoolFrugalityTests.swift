import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

/// What a pool takes of its process, and what it leaves.
@Suite("What a pool takes", .timeLimit(.minutes(2)))
struct PoolFrugalityTests {
  /// How many blocks for large arguments this process has, other tests' too.
  private func blocks() throws -> Int {
    try Command.run("/bin/sh", ["-c", "ls -l /proc/\(getpid())/fd | grep -c memfd:interprocess-arena || true"])
      .lines.first.flatMap { Int($0) } ?? -1
  }

  @Test("calls that wait have no memory and no descriptors of the pool's, however large their arguments")
  func waitingCalls() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let bytes = [UInt8](repeating: 5, count: 300_000)
      let calls = (0..<100).map { _ in
        Task { try await pool.run { try await $0.sleep(bytes, milliseconds: 10) } }
      }
      try await eventually("all wait") {
        (pool.core?.state.withLock { $0.calls.count } ?? 0) > 50
      }
      let seen = try blocks()
      #expect(seen >= 0 && seen < 40)
      for call in calls { #expect(try await call.value == 5) }
    }
  }

  @Test("a chunk has few large arrays, however short they take")
  func largeChunks() async throws {
    try await withWorkerPool(count: 1) { pool in
      let bytes = [UInt8](repeating: 5, count: Arena.smallestArray)
      let blocks = try await pool.map(BlocksMapped.self, [[UInt8]](repeating: bytes, count: 200))
      #expect(blocks.allSatisfy { $0 > 0 && $0 < 60 }, "\(blocks)")
    }
  }

  @Test("what a call has started ends with its worker")
  func programs() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.gracePeriod = .milliseconds(50)
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let started = Mutex<Int32>(0)
      await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run(reports: Int32.self, options: .init(deadline: .milliseconds(300))) { process in
          started.withLock { $0 = process }
        } _: {
          try await $0.startProgram()
        }
      }
      let process = started.withLock { $0 }
      try #require(process > 0)
      // What nobody reaps is there still.
      try await eventually("the program has ended") {
        (try? Command.run("/bin/grep", ["-q", "^State:.[^Z]", "/proc/\(process)/status"]).exitCode) != 0
      }
    }
  }

  @Test("reports go to the calls they were asked of, and to none that those make elsewhere")
  func reportsOfOthers() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { outer in
      try await withWorkerPool(of: Subject.self, count: 1) { inner in
        let heard = Mutex<[Int]>([])
        let sum = try await outer.run(reports: Int.self) { report in
          heard.withLock { $0.append(report) }
        } _: { worker in
          let other = try await inner.run { try await $0.report(5) }
          return try await worker.report(2) + other
        }
        #expect(sum >= 0 && heard.withLock { $0 } == [0, 1])
      }
    }
  }

  @Test("who waits for a drain and is cancelled has the calls cancelled")
  func cancelledDrain() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 1))
    let call = Task { try await pool.run { try await $0.sleep(milliseconds: 1_000_000) } }
    try await eventually("it runs") { pool.core?.state.withLock { $0.machine.workers.first?.work != nil } ?? false }
    let leaving = Task { await pool.shutDown(.drain(within: nil)) }
    try await Task.sleep(for: .milliseconds(50))
    leaving.cancel()
    await leaving.value
    await #expect(throws: (any Error).self) { try await call.value }
  }

  @Test("memory that a worker has no addresses for fails its call, and that alone")
  func noAddresses() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.limits.addressSpaceBytes = 1 << 30
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let process = try await pool.run { try await $0.process() }
      let large = [UInt8](repeating: 1, count: 1_200 << 20)
      for _ in 0..<2 {
        let error = await #expect(throws: RemoteError.self) { try await pool.run { try await $0.count(large) } }
        #expect(error?.message.hasPrefix("mmap(arena)") == true, "\(error as Any)")
      }
      let small = [UInt8](repeating: 1, count: 1 << 20)
      let (count, same) = try await pool.run { (try await $0.count(small), try await $0.process()) }
      #expect(count == small.count && same == process)
    }
  }

  @Test("numbers past any reason are as good as none")
  func extremes() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.queueLimit = .max
    configuration.standardError = .collect(lastBytes: .max)
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      try await pool.run { try await $0.say("words", on: 2, thenDie: false) }
      let crash = await #expect(throws: WorkerCrash.self) {
        try await pool.run { try await $0.say("more", on: 2, thenDie: true) }
      }
      #expect(crash?.standardError.hasSuffix("more") == true)
    }
    configuration.count = .max
    configuration.warmSpares = .max
    #expect(configuration.rules.maximum < 1 << 16 && configuration.window > 0)
  }
}
