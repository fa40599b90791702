import Interprocess
import Synchronization
import Workers

/// The article's job on a pool of workers, which may crash: a slice that fails is one thrown error.
enum PiOnPool {
  /// Makes a pool, has each slice computed in it, and shuts it down.
  ///
  /// - Returns: the partial sums, by worker.
  static func partialSums(_ job: PiJob, via mechanism: PiMechanism) throws -> [Double] {
    guard let way = Mechanism(rawValue: mechanism.rawValue) else {
      throw JobFailure("no channel goes over \(mechanism.rawValue)")
    }
    let slices = (0..<job.workers).map(job.slice(of:))
    let configuration = WorkerPoolConfiguration(count: workers(for: job, via: mechanism), mechanism: way)
    return try Blocking.run {
      try await withWorkerPool(configuration: configuration) { pool in try await pool.map(SliceFunction.self, slices) }
    }
  }
}

extension PiOnPool {
  /// How many workers share the slices.
  static func workers(for job: PiJob, via mechanism: PiMechanism) -> Int { min(job.workers, mostWorkers(mechanism)) }

  /// What a user's POSIX queues may take together is enough for few.
  private static func mostWorkers(_ mechanism: PiMechanism) -> Int {
    guard mechanism == .posixMessageQueue, let limit = ResourceLimit.messageQueueBytes.current else { return .max }
    // Two queues, each of ten messages of 8 KiB and what the kernel counts beside them.
    return max(1, Int(clamping: limit) / (2 * 90_000))
  }
}

/// The sum of a slice, in a worker.
enum SliceFunction: WorkerFunction {
  static func call(_ terms: Range<Int>) -> Double { sliceSum(terms) }
}

/// Asynchronous work in this program, whose `main` is synchronous so that it may fork.
private enum Blocking {
  /// How long to wait at a time before looking for signals.
  private static let patience = Duration.milliseconds(50)

  private final class Outcome<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, any Error>?>(nil)
    let bell: EventCounter

    init() throws { bell = try EventCounter() }
  }

  /// Waits for the work. A signal that ends the program cancels it.
  static func run<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
    let outcome = try Outcome<Value>()
    let task = Task.detached {
      let result: Result<Value, any Error>
      do {
        result = .success(try await work())
      } catch {
        result = .failure(error)
      }
      outcome.value.withLock { $0 = result }
      _ = try? outcome.bell.tryAdd()
    }
    while true {
      if let result = outcome.value.withLock({ $0 }) { return try result.get() }
      do {
        try Interruption.check()
      } catch {
        task.cancel()
        // Workers that do not end by then end with this process.
        try? outcome.bell.wait(timeout: .seconds(2))
        throw error
      }
      do {
        try outcome.bell.wait(timeout: patience)
      } catch {
        if !error.isTimeout { throw error }
      }
    }
  }
}
