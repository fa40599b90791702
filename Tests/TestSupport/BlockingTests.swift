import Glibc
import Synchronization
public import Testing

extension Trait where Self == BlockingTests {
  /// For suites whose tests block: they run on a few threads of their own, and leave those of Swift's concurrency, which
  /// are as few as the cores, to the tests that suspend.
  public static var blocking: BlockingTests { BlockingTests() }
}

/// See ``Testing/Trait/blocking``.
public struct BlockingTests: SuiteTrait, TestTrait, TestScoping {
  public var isRecursive: Bool { true }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    try await withTaskExecutorPreference(FewThreads.shared) { try await function() }
  }
}

/// Runs jobs on four threads.
private final class FewThreads: TaskExecutor {
  static let shared = FewThreads(count: 4)

  private let jobs = Mutex<[UnownedJob]>([])

  private init(count: Int) {
    for _ in 0..<count {
      _ = Background { [self] in
        while true {
          let next = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
          if let next { next.runSynchronously(on: asUnownedTaskExecutor()) } else { usleep(1000) }
        }
      }
    }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
  }
}
