import BasicContainers
import CInterprocess
import Glibc
import Interprocess

/// The forked children that work on a job. Whichever way the team goes, no child is left: those that still run are
/// killed and reaped.
struct Team: ~Copyable {
  let job: PiJob
  private var children: UniqueArray<ForkedProcess>
  private let progress: Progress

  /// How long the parent waits at a time before it looks after its children and for signals.
  private static let patience = Duration.milliseconds(50)

  init(job: PiJob, progress: Progress) {
    self.job = job
    self.progress = progress
    children = UniqueArray()
  }

  var workers: Range<Int> { 0..<job.workers }

  /// Forks the child that works on one slice and then does with its sum what `deliver` says.
  mutating func fork(_ worker: Int, deliver: (PartialSum) throws -> Void) throws {
    try Interruption.check()
    let parent = getpid()
    children.append(
      try ForkedProcess {
        Interruption.stopCatching()
        // One that waits for room in a queue would do so for ever.
        ci_die_with_parent()
        if getppid() != parent { ForkedProcess.exit(1) }
        try deliver(job.partialSum(of: worker))
      })
  }

  /// Receives as many sums as there are workers, and waits for the workers to end.
  ///
  /// - Parameter receive: receives one sum; it is given the number of sums that came before, and how long to wait before
  ///   it throws a timeout: it is called again then.
  /// - Returns: the sums by worker, whichever came first.
  mutating func collect(_ receive: (_ number: Int, _ timeout: Duration) throws -> PartialSum) throws -> [Double] {
    var sums = [Double?](repeating: nil, count: job.workers)
    for number in workers {
      let message = try receiveOne(number, receive)
      guard workers.contains(message.worker), sums[message.worker] == nil else {
        throw JobFailure("a sum came from worker \(message.worker), which has none to give")
      }
      sums[message.worker] = message.sum
      progress.show(number + 1, of: job.workers)
    }
    try finish()
    return sums.compactMap(\.self)
  }

  private mutating func receiveOne(
    _ number: Int, _ receive: (Int, Duration) throws -> PartialSum
  ) throws -> PartialSum {
    var allHadEnded = false
    while true {
      try Interruption.check()
      do {
        return try receive(number, Self.patience)
      } catch let error as InterprocessError where error.isTimeout {
        if allHadEnded { throw JobFailure("every worker has ended, and \(job.workers - number) sums are missing") }
        // What the last one sent may still be on its way: one more look.
        allHadEnded = try lookAfterChildren() == job.workers
        progress.show(number, of: job.workers)
      } catch {
        // The mechanism saw only the consequence, if a child's death is the reason.
        try finish()
        throw error
      }
    }
  }

  /// Waits for every child to end.
  ///
  /// - Throws: ``JobFailure`` when one ended otherwise than with success.
  mutating func finish() throws {
    for worker in workers {
      while true {
        try Interruption.check()
        if let ending = try children[worker].wait(timeout: Self.patience) {
          try check(ending, of: worker)
          break
        }
        progress.show(try lookAfterChildren(), of: job.workers)
      }
    }
  }

  /// - Returns: how many children have ended.
  private mutating func lookAfterChildren() throws -> Int {
    var ended = 0
    for worker in workers {
      guard let ending = try children[worker].wait(timeout: .zero) else { continue }
      try check(ending, of: worker)
      ended += 1
    }
    return ended
  }

  /// Ends the children that still run, before the objects that they use go.
  mutating func end() {
    for worker in children.indices { try? children[worker].signal(SIGKILL) }
    // Each one reaps itself as it goes.
    children.removeAll()
  }

  private func check(_ ending: ProcessEnding, of worker: Int) throws {
    if ending.isSuccess { return }
    // A signal to the whole group, Ctrl-C for one, is the reason and not the child's death.
    try Interruption.check()
    throw JobFailure("worker \(worker) (process \(children[worker].id)) \(ending)")
  }
}
