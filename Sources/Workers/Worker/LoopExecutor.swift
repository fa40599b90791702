import CInterprocess
import Glibc
import Interprocess
import Synchronization

/// Runs the jobs of a call on the thread that reads the worker's channel: no other thread has to wake for them.
///
/// Jobs that come while no call runs (of a detached task that a call left behind) wait for the next one, or for the
/// thread to look after them.
final class LoopExecutor: TaskExecutor, @unchecked Sendable {
  // Sendable: the jobs are behind a lock, and the word is an atomic.

  private let jobs = Mutex<[UnownedJob]>([])
  /// Counts what was enqueued, so that waiting for more misses nothing.
  private let word = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)
  private let isAsleep = Atomic(false)

  init() { word.initialize(to: Atomic(0)) }

  /// Has Swift make the type of the list of jobs, in a process that forks others.
  static func prepareTypes() {
    var jobs: [UnownedJob] = []
    jobs.reserveCapacity(1)
  }

  deinit {
    word.deinitialize(count: 1)
    word.deallocate()
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    wake()
  }

  /// Has ``run(until:)`` look again.
  func wake() {
    // Sequentially consistent: pairs with the store to isAsleep and the load of word in run(until:). Either this sees
    // the sleeper, or the sleeper sees the new number.
    word.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
    if isAsleep.load(ordering: .sequentiallyConsistent) { _ = ci_futex_wake(word, 1) }
  }

  /// Runs jobs on this thread until `isDone` says so.
  func run(until isDone: () -> Bool) {
    while true {
      let seen = word.pointee.load(ordering: .sequentiallyConsistent)
      runJobs()
      if isDone() { return }
      isAsleep.store(true, ordering: .sequentiallyConsistent)
      if word.pointee.load(ordering: .sequentiallyConsistent) == seen { _ = ci_futex_wait(word, seen, nil) }
      isAsleep.store(false, ordering: .relaxed)
    }
  }

  private func runJobs() {
    while true {
      let next = jobs.withLock { jobs in
        let next = jobs
        jobs.removeAll(keepingCapacity: true)
        return next
      }
      if next.isEmpty { return }
      for job in next { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
  }
}
