import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("The trait ServiceLifecycle")
struct ServiceLifecycleTests {
  private func group(_ pool: WorkerPool<Subject>) -> ServiceGroup {
    ServiceGroup(
      configuration: .init(services: [pool], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
  }

  @Test("a graceful shutdown of its group lets the calls that were made finish, and leaves no process")
  func gracefulShutdown() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 1))
    let group = group(pool)
    let service = Task { try await group.run() }
    let process = try await pool.run { try await $0.process() }
    let began = Mutex(false)
    let call = Task {
      try await pool.run {
        began.withLock { $0 = true }
        try await $0.sleep(milliseconds: 300)
      }
    }
    while !began.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
    try await Task.sleep(for: .milliseconds(50))
    await group.triggerGracefulShutdown()
    try await service.value
    try await call.value
    #expect(kill(process, 0) == -1 && errno == ESRCH)
    await #expect(throws: PoolClosed.self) { try await pool.run { try await $0.double(1) } }
  }

  @Test("cancelling its group cancels the calls")
  func cancelled() async throws {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 1))
    let group = group(pool)
    let service = Task { try await group.run() }
    let began = Mutex(false)
    let call = Task {
      try await pool.run(reports: Int.self, onReport: { _ in began.withLock { $0 = true } }) {
        try await $0.reportAndPoll()
      }
    }
    while !began.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
    service.cancel()
    _ = await service.result
    let isCancelled = try await call.value
    #expect(isCancelled)
  }

  @Test("a pool that fails ends its group with the cause")
  func failure() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.restartIntensity = .init(deaths: 1, within: .seconds(60))
    configuration.environment = [Unready.startVariable: Unready.Start.exits.rawValue]
    let pool = try WorkerPool(of: Unready.self, configuration: configuration)
    let error = await #expect(throws: PoolFailed.self) { try await pool.run() }
    #expect(error?.cause.contains("exited with code 3") == true, "\(error.map { "\($0)" } ?? "")")
  }
}
