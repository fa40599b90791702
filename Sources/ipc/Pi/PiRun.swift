import CInterprocess
import Glibc

/// The job done once over one mechanism, and timed.
struct PiRun {
  let mechanism: PiMechanism
  let pi: Double
  let elapsed: Duration
  /// How many there were: of some mechanisms a user may not have as many as the job is for.
  let workers: Int

  init(_ job: PiJob, via mechanism: PiMechanism, progress: Progress) throws {
    var team = Team(job: job, progress: progress)
    let clock = ContinuousClock()
    let start = clock.now
    let sums = try mechanism.carrier.partialSums(by: &team)
    pi = PiJob.pi(from: sums)
    elapsed = clock.now - start
    self.mechanism = mechanism
    workers = job.workers
  }

  init(onPool job: PiJob, via mechanism: PiMechanism) throws {
    let clock = ContinuousClock()
    let start = clock.now
    pi = PiJob.pi(from: try PiOnPool.partialSums(job, via: mechanism))
    elapsed = clock.now - start
    self.mechanism = mechanism
    workers = PiOnPool.workers(for: job, via: mechanism)
  }

  /// A name for a POSIX object that nobody else has, and that says whose it is.
  static func uniqueName() -> String {
    "/ipc-pi-\(getpid())-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
  }

  /// How long the same sum takes in this process alone: the best of a few tries, or of one where it takes long.
  static func timeInOneProcess(_ job: PiJob) throws -> Duration {
    var best: Duration?
    let clock = ContinuousClock()
    let start = clock.now
    repeat {
      let tryStart = clock.now
      var sum = 0.0
      // In pieces, so that a signal is noticed.
      for piece in stride(from: 0, to: job.terms, by: 1 << 24) {
        try Interruption.check()
        sum += sliceSum(piece..<min(piece + 1 << 24, job.terms))
      }
      withExtendedLifetime(sum) {}
      best = min(best ?? .seconds(Int64.max), clock.now - tryStart)
    } while clock.now - start < .milliseconds(20)
    return best ?? .zero
  }
}
