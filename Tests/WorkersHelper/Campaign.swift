import Glibc
import Interprocess
import Synchronization
import WorkerPrograms
import Workers

/// Many calls on eight workers, of which many die: `campaign MECHANISM CALLS KILLS SEED [retry] [fork-servers=N]`.
struct Campaign {
  var mechanism = Mechanism.ring
  var calls = 1000
  var kills = 20
  var seed: UInt64 = 1
  var isRepeating = false
  /// How often the fork server is killed.
  var forkServerKills = 0

  /// How calls went, each at its index.
  enum Outcome: Sendable {
    case none
    case value(Int)
    case crash(CInt?)
    case failure(String)
  }

  init(_ arguments: [String]) throws {
    guard arguments.count >= 4, let mechanism = Mechanism(rawValue: arguments[0]), let calls = Int(arguments[1]),
      let kills = Int(arguments[2]), let seed = UInt64(arguments[3])
    else { throw Unusable() }
    (self.mechanism, self.calls, self.kills, self.seed) = (mechanism, calls, kills, seed)
    isRepeating = arguments.contains("retry")
    let option = "fork-servers="
    let count = arguments.first { $0.hasPrefix(option) }.flatMap { Int($0.dropFirst(option.count)) }
    forkServerKills = count ?? 0
  }

  struct Unusable: Error {}

  /// What each call is to be: half of the deaths are their own doing.
  struct Plan: Sendable {
    private var planned: [Int] = []
    private var fates: [Fate?] = []

    init(_ campaign: Campaign) {
      var random = SeededGenerator(seed: campaign.seed)
      fates = Array(repeating: nil, count: campaign.calls)
      planned = (0..<campaign.calls).map { call in
        call % 4 == 0 ? Int.random(in: 500..<3000, using: &random) : Int.random(in: 0..<100, using: &random)
      }
      for call in (0..<campaign.calls).shuffled(using: &random).prefix(campaign.kills / 2) {
        fates[call] = Fate.allCases.randomElement(using: &random)
      }
    }

    // Beyond the plan are calls that are made for there to be some while the last kills are done.
    func microseconds(_ call: Int) -> Int { call < planned.count ? planned[call] : 1000 }
    func fate(_ call: Int) -> Fate? { call < fates.count ? fates[call] : nil }
  }

  func run() async throws {
    say("seed \(seed)")
    var workers: Set<CInt> = []
    Footprint.leadSession()
    try await warmUp()
    let before = Footprint.settled()
    let start = ContinuousClock.now
    var violations: [String] = []
    do {
      let progress = CampaignProgress(calls: calls)
      let board = try MarkBoard(calls: progress.most)
      let plan = Plan(self)
      let killer = CampaignKiller(self, plan, board, progress)
      let watch = progress.watch(board)
      try await withWorkerPool(of: Victim.self, configuration: configuration(board)) { pool in
        killer.start()
        await submit(to: pool, plan, progress, killer)
        killer.finish()
      }
      watch.store(true, ordering: .relaxed)
      let verdict = CampaignVerdict(self, plan, board, progress, killer)
      violations = verdict.violations()
      workers = board.processes
      let how = isRepeating ? "repeatable calls" : "calls"
      say("\(mechanism): \(progress.done) \(how), \(verdict.summary), \(ContinuousClock.now - start)")
    }
    violations += before.left(of: workers).map { "left: \($0)" }
    for violation in violations.prefix(20) { say("violation: \(violation)") }
    say(violations.isEmpty ? "ok" : "\(violations.count) violations")
    exit(violations.isEmpty ? 0 : 1)
  }

  /// What a process's first pool leaves for the next, threads that wait and their descriptors, is none of the campaign's.
  private func warmUp() async throws {
    try await withWorkerPool(of: Subject.self, configuration: .init(count: 8, mechanism: mechanism)) { pool in
      let doubles = try await pool.map(0..<100) { try await $0.double($1) }
      guard doubles == (0..<100).map({ 2 * $0 }) else { throw Unusable() }
    }
  }

  private func configuration(_ board: MarkBoard) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 8, mechanism: mechanism)
    configuration.restartIntensity = nil
    configuration.maximumAttempts = 50
    configuration.environment = [MarkBoard.variable: board.path]
    return configuration
  }

  private func submit(
    to pool: WorkerPool<Victim>, _ plan: Plan, _ progress: CampaignProgress, _ killer: CampaignKiller
  ) async {
    let options = CallOptions(isRepeatable: isRepeating)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<24 {
        group.addTask {
          while let call = progress.next(isMoreWanted: !killer.isDone) {
            progress.finish(call, await Self.outcome(of: call, plan, pool, options))
          }
        }
      }
    }
  }

  private static func outcome(
    of call: Int, _ plan: Plan, _ pool: WorkerPool<Victim>, _ options: CallOptions
  ) async -> Outcome {
    do {
      return .value(
        try await pool.run(options: options) {
          try await $0.work(call, microseconds: plan.microseconds(call), fate: plan.fate(call))
        })
    } catch let crash as WorkerCrash {
      return .crash(crash.processID)
    } catch {
      return .failure("\(error)")
    }
  }
}
