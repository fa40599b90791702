import WorkerPrograms

/// Whether a campaign went as it has to.
struct CampaignVerdict {
  private let campaign: Campaign
  private let plan: Campaign.Plan
  private let board: MarkBoard
  private let outcomes: [Campaign.Outcome]
  private let kills: CampaignKiller.Kills

  init(
    _ campaign: Campaign, _ plan: Campaign.Plan, _ board: MarkBoard, _ progress: CampaignProgress,
    _ killer: CampaignKiller
  ) {
    (self.campaign, self.plan, self.board) = (campaign, plan, board)
    (outcomes, kills) = (progress.all, killer.kills)
  }

  func violations() -> [String] {
    var violations = outcomes.indices.flatMap { self.violations(of: $0) }
    var lost: [CInt: Int] = [:]
    for case .crash(let process?) in outcomes { lost[process, default: 0] += 1 }
    for (process, count) in lost where count > 1 {
      violations.append("the death of process \(process) cost \(count) calls")
    }
    // The mark says that the call had begun.
    let inCalls = kills.running.count + plan.fates.indices.count { plan.fates[$0] != nil && board.begun($0) > 0 }
    if inCalls < kills.idle.count {
      violations.append("of the deaths \(inCalls) came in a call, \(kills.idle.count) did not")
    }
    if campaign.kills >= 20, kills.processes.count < campaign.kills / 4 {
      violations.append("no more than \(kills.processes.count) workers were killed from outside")
    }
    if kills.forkServers < campaign.forkServerKills / 2 {
      violations.append("no more than \(kills.forkServers) fork servers were killed")
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
      if plan.fates[call] != nil { return violation("has an answer though its worker died of it") }
      return board.begun(call) == 1 && board.ended(call) == 1 ? [] : violation("ran more or less than once")
    case .crash(let process):
      if campaign.isRepeating { return violation("failed though it may be repeated") }
      guard let process else { return violation("crashed in a process that nobody knows") }
      if board.begun(call) > 1 { return violation("was begun again") }
      if board.begun(call) == 1, board.process(ofCall: call) != process {
        return violation("failed by the death of \(process), which did not run it")
      }
      if plan.fates[call] == nil, !kills.processes.contains(process) {
        return violation("failed by the death of \(process), which nobody killed")
      }
      return []
    }
  }
}
