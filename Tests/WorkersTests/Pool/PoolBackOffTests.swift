import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("How far apart starts come that fail")
struct PoolBackOffTests {
  private static func configuration(_ backOff: Duration) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.backOff = backOff
    configuration.restartIntensity = nil
    return configuration
  }

  /// A pool in a time of its own.
  private struct Starts {
    private var machine: PoolStateMachine
    private var now = Duration.zero
    /// When each worker was started.
    private(set) var times: [Duration] = []
    private var backOffEnd: Duration?
    private var last = WorkerID(rawValue: -1)

    init(_ configuration: WorkerPoolConfiguration) {
      machine = PoolStateMachine(rules: configuration.rules)
      happen(.open)
      happen(.forkServerReady)
    }

    private mutating func happen(_ event: PoolEvent) {
      for action in machine.receive(event) {
        switch action {
        case .startWorker(let worker):
          times.append(now)
          last = worker
        case .startTimer(.backOff, let delay): backOffEnd = now + delay
        default: break
        }
      }
    }

    /// The last one's process ends before it is ready, and the pool waits for as long as it wants to.
    mutating func fail() {
      happen(.processStarted(last))
      happen(.exited(last, at: now))
      guard let end = backOffEnd.take() else { return }
      now = end
      happen(.timerFired(.backOff))
    }

    /// It becomes ready, and dies with nothing to do.
    mutating func serve() {
      happen(.processStarted(last))
      happen(.workerReady(last))
      happen(.exited(last, at: now))
    }

    var distances: [Duration] { zip(times.dropFirst(), times).map { $0 - $1 } }
  }

  @Test("each waits twice as long as the one before, from what is configured up to a limit")
  func doubling() {
    for first in [1, 40] {
      var starts = Starts(Self.configuration(.milliseconds(first)))
      for _ in 0..<16 { starts.fail() }
      let expected = (0..<16).map { min(Duration.milliseconds(first << $0), .seconds(5)) }
      #expect(starts.distances == expected)
    }
  }

  @Test("one that succeeds has the next failure wait as long as the first did")
  func success() {
    var starts = Starts(Self.configuration(.milliseconds(40)))
    for _ in 0..<3 { starts.fail() }
    starts.serve()
    for _ in 0..<2 { starts.fail() }
    #expect(starts.distances == [40, 80, 160, 0, 40, 80].map { .milliseconds($0) })
  }

  @Test("a pool of processes waits at least as long as that")
  func processes() async throws {
    var configuration = Self.configuration(.milliseconds(200))
    configuration.restartIntensity = .init(deaths: 2, within: generous)
    configuration.environment = [Mortal.startVariable: Way.exitThree.rawValue]
    let start = ContinuousClock.now
    try await withWorkerPool(of: Mortal.self, configuration: configuration) { pool in
      _ = await #expect(throws: PoolFailed.self) { try await pool.run { try await $0.process() } }
    }
    #expect(ContinuousClock.now - start >= .milliseconds(200 + 400))
  }
}
