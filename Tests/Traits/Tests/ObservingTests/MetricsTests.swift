import Metrics
import MetricsTestKit
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("The trait Metrics", .timeLimit(.minutes(2)))
struct MetricsTests {
  /// The process has one system of metrics; each test has names of its own in it.
  private static let metrics: TestMetrics = {
    let metrics = TestMetrics()
    MetricsSystem.bootstrap(metrics)
    return metrics
  }()

  private let metrics = Self.metrics

  private func configuration() -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.metricsLabel = "pool-\(UInt32.random(in: 0 ... .max))"
    return configuration
  }

  @Test("calls, crashes and starts are counted, times and memory are measured")
  func counts() async throws {
    let configuration = configuration()
    let label = configuration.metricsLabel
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      for _ in 0..<5 { _ = try await pool.run { try await $0.double(1) } }
      await #expect(throws: Refusal.self) { try await pool.run { try await $0.refuse("no") } }
      await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die(.abort) } }
      try await pool.run { try await $0.sleep(milliseconds: 50) }
    }
    #expect(metrics.counterTotal(label: "\(label).calls", dimensions: [("outcome", "answered")]) == 7)
    #expect(metrics.counterTotal(label: "\(label).calls", dimensions: [("outcome", "failed")]) == 1)
    #expect(metrics.counterTotal(label: "\(label).crashes") == 1)
    #expect(metrics.counterTotal(label: "\(label).starts") == 2)
    #expect(metrics.counterTotal(label: "\(label).restarts") == 1)
    let run = try metrics.expectTimer("\(label).call.run").values
    #expect(run.count == 8 && (run.max() ?? 0) >= 50_000_000)
    #expect(try metrics.expectTimer("\(label).call.queue").values.allSatisfy { $0 >= 0 })
    let resident = try metrics.expectRecorder("\(label).resident.bytes").values
    #expect(resident.count == 2 && resident.allSatisfy { $0 > 1_000_000 })
  }

  @Test("a worker in the place of one that had to be killed is a restart, and the killing no crash")
  func restarts() async throws {
    var configuration = configuration()
    configuration.gracePeriod = .milliseconds(50)
    let label = configuration.metricsLabel
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      _ = try await pool.run { try await $0.double(1) }
      for _ in 0..<2 {
        await #expect(throws: CallDeadlineExceeded.self) {
          try await pool.run(options: .init(deadline: .milliseconds(50))) { try await $0.spin() }
        }
        _ = try await pool.run { try await $0.double(1) }
      }
    }
    #expect(metrics.counterTotal(label: "\(label).starts") == 3)
    #expect(metrics.counterTotal(label: "\(label).restarts") == 2)
    #expect(metrics.counterTotal(label: "\(label).crashes") == 0)
  }

  @Test("a worker in the place of one that was sent home is none")
  func recycling() async throws {
    var configuration = configuration()
    configuration.recycling.calls = 1
    let label = configuration.metricsLabel
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      for _ in 0..<3 { _ = try await pool.run { try await $0.double(1) } }
    }
    #expect(metrics.counterTotal(label: "\(label).starts") >= 3)
    #expect(metrics.counterTotal(label: "\(label).restarts") == 0)
  }

  @Test("what workers have in memory is measured while the pool has something to do, and then no more")
  func residentBytes() async throws {
    var configuration = configuration()
    configuration.metricsInterval = .milliseconds(20)
    let label = configuration.metricsLabel
    try await withWorkerPool(of: Probe.self, configuration: configuration) { pool in
      let meter = try metrics.expectMeter("\(label).resident.bytes.now")
      _ = try await pool.run { try await $0.process() }
      try await eventually("a worker is seen") { (meter.lastValue ?? 0) > 0 }
      let before = try #require(meter.lastValue)
      _ = try await pool.run { try await $0.grow(by: 64 << 20) }
      try await eventually("what it has taken is seen") { (meter.lastValue ?? 0) > before + Double(60 << 20) }

      let call = Task { try await pool.run { try await $0.sleep(milliseconds: 1_000_000) } }
      let count = meter.values.count
      try await eventually("a call that runs is looked at again and again") { meter.values.count >= count + 5 }
      call.cancel()
      _ = await call.result
      try await eventually("nobody looks at idle workers") {
        let count = meter.values.count
        try await Task.sleep(for: .milliseconds(200))
        return meter.values.count == count
      }
    }
    #expect(try metrics.expectMeter("\(label).resident.bytes.now").lastValue == 0, "no worker is left")
  }
}
