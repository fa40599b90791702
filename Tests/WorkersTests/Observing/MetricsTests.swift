#if Metrics
  import Metrics
  import MetricsTestKit
  import TestSupport
  import Testing
  import WorkerPrograms
  import Workers

  @Suite("The trait Metrics")
  struct MetricsTests {
    /// The process has one system of metrics; each test has names of its own in it.
    private static let metrics: TestMetrics = {
      let metrics = TestMetrics()
      MetricsSystem.bootstrap(metrics)
      return metrics
    }()

    @Test("calls, crashes and starts are counted, times and memory are measured")
    func counts() async throws {
      let metrics = Self.metrics
      var configuration = WorkerPoolConfiguration(count: 1)
      configuration.metricsLabel = "pool-\(UInt32.random(in: 0 ... .max))"
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
      let run = try metrics.expectTimer("\(label).call.run").values
      #expect(run.count == 8 && (run.max() ?? 0) >= 50_000_000)
      #expect(try metrics.expectTimer("\(label).call.queue").values.allSatisfy { $0 >= 0 })
      let resident = try metrics.expectRecorder("\(label).resident.bytes").values
      #expect(resident.count == 2 && resident.allSatisfy { $0 > 1_000_000 })
    }
  }
#endif
