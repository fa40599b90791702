import Glibc
import Synchronization

/// Work on a thread of its own: the threads of Swift's concurrency are as few as the cores, and tests that wait block
/// them.
public final class Background<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)

  public init(_ work: @escaping @Sendable () throws -> Value) {
    let run: @Sendable () -> Void = { [self] in
      let outcome = Result { try work() }
      result.withLock { $0 = outcome }
    }
    let box = Unmanaged.passRetained(Job(run))
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        argument.map { Unmanaged<Job>.fromOpaque($0).takeRetainedValue().run() }
        return nil
      }, box.toOpaque())
    pthread_detach(thread)
  }

  /// What the work gave, once it is done.
  public func value(timeout: Duration = .seconds(30)) throws -> Value {
    let deadline = ContinuousClock.now + timeout
    while true {
      if let result = result.withLock({ $0 }) { return try result.get() }
      if ContinuousClock.now > deadline {
        throw Command.Failure("the work in the background took longer than \(timeout)")
      }
      usleep(1000)
    }
  }
}

private final class Job: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
