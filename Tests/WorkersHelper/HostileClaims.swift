import Glibc
import Interprocess
import WorkerPrograms
import Workers

/// Workers that claim giant lengths, one after the other: `claims MECHANISM`. Tells what the call of each came to.
struct HostileClaims {
  private let mechanism: Mechanism

  init(_ arguments: [String]) throws {
    guard let mechanism = arguments.first.flatMap({ Mechanism(rawValue: $0) }) else { throw Campaign.Unusable() }
    self.mechanism = mechanism
  }

  /// How much more memory the pool's process may take for a call than it had.
  private static let allowance = 64 << 20

  func run() async throws {
    Footprint.leadSession()
    let watchdog = Watchdog(seconds: 20)
    try await withWorkerPool(of: Hostile.self, configuration: HostileWorkers.configuration(mechanism)) { pool in
      for claim in Claim.all(over: mechanism) {
        watchdog.pet("\(claim)")
        // Whatever the last one did, calls in good faith are answered.
        try await HostileWorkers.check(pool)
        OwnMemory.forgetPeak()
        let before = OwnMemory.now
        say("\(claim): \(await outcome(claim, pool))")
        let more = OwnMemory.peak - before
        if more > Self.allowance { say("\(claim) took \(more >> 20) MB") }
      }
      try await HostileWorkers.check(pool)
    }
    let left = Footprint.descendants()
    say(left.isEmpty ? "ended" : "\(left)")
    exit(0)
  }

  private func outcome(_ claim: Claim, _ pool: WorkerPool<Hostile>) async -> String {
    await HostileWorkers.described {
      switch claim.place {
      case .numbers: "\(try await pool.run { try await $0.numbers(claim) })"
      case .texts: "\(try await pool.run { try await $0.texts(claim) })"
      case .text: try await pool.run { try await $0.text(claim) }
      case .bytes: "\(try await pool.run { try await $0.bytes(claim) })"
      case .failures: "\(try await pool.call(Overclaiming.self, claim))"
      default: "\(try await pool.run { try await $0.claim(claim) })"
      }
    }
  }
}
