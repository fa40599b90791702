import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("The error of a call past its deadline")
struct DeadlineErrorTests {
  @Test("it names the call, the deadline and the worker", arguments: [true, false])
  func names(isCallsOwn: Bool) async throws {
    let deadline = Duration.milliseconds(500)
    var configuration = WorkerPoolConfiguration(count: 1, callDeadline: isCallsOwn ? nil : deadline)
    configuration.gracePeriod = generous
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      let process = try await pool.run { try await $0.process() }
      let error = try #require(
        await #expect(throws: CallDeadlineExceeded.self) {
          try await pool.run(options: .init(deadline: isCallsOwn ? deadline : nil)) {
            try await $0.sleep(milliseconds: 1_000_000)
          }
        })
      #expect(error.processID == process && error.deadline == deadline && error.call.contains("sleep"))
      #expect("\(error)".contains("in worker \(process) longer than \(deadline)"), "\(error)")
    }
  }
}
