import WorkerPrograms

/// Whether a campaign went as it has to.
struct CampaignVerdict {
  private let campaign: Campaign
  private let plan: Campaign.Plan
  private let board: MarkBoard
  private let outcomes: [Campaign.Outcome]
  private let kills: CampaignKiller.Kills
  private let deaths: Int
  /// A mark of the worker's says of each that a call had begun, and had not ended.
  private let deathsInCalls: Int

  init(
    _ campaign: Campaign, _ plan: Campaign.Plan, _ board: MarkBoard, _ progress: CampaignProgress,
    _ killer: CampaignKiller
  ) {
    (self.campaign, self.plan, self.board) = (campaign, plan, board)
    (outcomes, kills) = (progress.all, killer.kills)
    let inCalls = board.ownDeaths.union(kills.running)
    (deaths, deathsInCalls) = (inCalls.union(kills.idle).count, inCalls.count)
  }

  var summary: String {
    let failed = outcomes.count { if case .value = $0 { false } else { true } }
    return "\(deaths) deaths, \(deathsInCalls) of them in calls, \(kills.forkServers) fork servers killed, "
      + "\(failed) calls failed"
  }

  /// The system gives a number again when it has given all the others, which takes more calls than these.
  private static let callsBetween = 1000

  func violations() -> [String] {
    var violations = outcomes.indices.flatMap { self.violations(of: $0) }
    var lost: [CInt: Int] = [:]
    for (call, outcome) in outcomes.enumerated() {
      guard case .crash(let process?) = outcome else { continue }
      if let other = lost.updateValue(call, forKey: process), call - other < Self.callsBetween {
        violations.append("the death of process \(process) cost the calls \(other) and \(call)")
      }
    }
    if deaths < campaign.kills { violations.append("\(deaths) deaths, and \(campaign.kills) are wanted") }
    if 2 * deathsInCalls < deaths { violations.append("of \(deaths) deaths \(deathsInCalls) came in a call") }
    if kills.forkServers < campaign.forkServerKills {
      violations.append("\(kills.forkServers) fork servers were killed, and \(campaign.forkServerKills) are to be")
    }
    return violations
  }

  private func violations(of call: Int) -> [String] {
    let marks = "begun \(board.begun(call)), ended \(board.ended(call)), process \(board.process(ofCall: call))"
    func violation(_ what: String) -> [String] { ["call \(call) (\(marks)) \(what)"] }
    switch outcomes[call] {
    case .none: return violation("was not answered")
    case .failure(let error): return violation("failed: \(error)")
    case .value(let value):
      if value != Victim.answer(to: call) { return violation("gave \(value)") }
      if campaign.isRepeating { return board.ended(call) >= 1 ? [] : violation("has an answer without having ended") }
      if plan.fate(call) != nil { return violation("has an answer though its worker died of it") }
      return board.begun(call) == 1 && board.ended(call) == 1 ? [] : violation("ran more or less than once")
    case .crash(let process):
      if campaign.isRepeating { return violation("failed though it may be repeated") }
      guard let process else { return violation("crashed in a process that nobody knows") }
      if board.begun(call) > 1 { return violation("was begun again") }
      if board.begun(call) == 1, board.process(ofCall: call) != process {
        return violation("failed by the death of \(process), which did not run it")
      }
      if plan.fate(call) == nil, !kills.processes.contains(process) {
        return violation("failed by the death of \(process), which nobody killed")
      }
      return []
    }
  }
}
