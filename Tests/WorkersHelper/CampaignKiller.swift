import CInterprocess
import Glibc
import Interprocess
import Synchronization
import WorkerPrograms

/// Kills workers from outside while a campaign's calls run, and sees what each was at.
final class CampaignKiller: Sendable {
  struct Kills {
    /// Those that were marked as running a call when they were dead, and those that were not.
    var running: Set<CInt> = []
    var idle: Set<CInt> = []
    var forkServers = 0
    /// Who have not killed all that they are to kill.
    var atWork = 0

    var processes: Set<CInt> { running.union(idle) }
  }

  private let campaign: Campaign
  private let plan: Campaign.Plan
  private let board: MarkBoard
  private let progress: CampaignProgress
  private let state = Mutex(Kills())

  init(_ campaign: Campaign, _ plan: Campaign.Plan, _ board: MarkBoard, _ progress: CampaignProgress) {
    (self.campaign, self.plan, self.board, self.progress) = (campaign, plan, board, progress)
  }

  var kills: Kills { state.withLock { $0 } }
  var isDone: Bool { state.withLock { $0.atWork == 0 } }

  func start() {
    begin(killWorkers)
    begin(killForkServers)
  }

  private func begin(_ work: @escaping @Sendable () -> Void) {
    state.withLock { $0.atWork += 1 }
    startThread { [self] in
      work()
      state.withLock { $0.atWork -= 1 }
    }
  }

  /// Waits for the last kill's result.
  func finish() {
    while !isDone { usleep(1000) }
  }

  /// The calls' progress sets the pace, so that the kills are spread over all of them.
  private func killWorkers() {
    var random = SeededGenerator(seed: campaign.seed ^ 0x6B69_6C6C)
    let wanted = campaign.kills - campaign.kills / 2
    for number in 0..<wanted {
      let due = campaign.calls * number / wanted
      while progress.done < due { usleep(50) }
      let isToRun = Int.random(in: 0..<4, using: &random) > 0
      while progress.isTimeForMore, !killOne(running: isToRun, &random) { usleep(100) }
    }
    // A worker that was to die of itself may have been killed before.
    while !progress.isPlanDone { usleep(1000) }
    while progress.isTimeForMore, board.ownDeaths.union(kills.processes).count < campaign.kills {
      if !killOne(running: true, &random) { usleep(100) }
    }
  }

  /// - Returns: whether one was killed.
  private func killOne(running: Bool, _ random: inout SeededGenerator) -> Bool {
    guard let slot = running ? busySlot(&random) : recentSlots.randomElement(using: &random) else { return false }
    let process = board.process(ofWorker: slot)
    guard process > 0 else { return false }
    // From here on the number means this process, or none.
    let handle = ci_pidfd_open(process, 0)
    guard handle >= 0 else { return false }
    defer { close(handle) }
    guard Footprint.status(of: process).contains("(worker "), !hasEnded(handle, within: 0) else { return false }
    if running, board.call(ofWorker: slot) == nil { return false }
    guard ci_pidfd_send_signal(handle, SIGKILL) == 0, hasEnded(handle, within: 10_000) else { return false }
    let wasRunning = board.call(ofWorker: slot) != nil
    state.withLock { kills in
      if wasRunning { _ = kills.running.insert(process) } else { _ = kills.idle.insert(process) }
    }
    return true
  }

  /// The dead among them are passed over later.
  private var recentSlots: Range<Int> { max(0, board.workers - 16)..<board.workers }

  /// A worker that is in one of the longer calls; the dead seem to be in one for ever.
  private func busySlot(_ random: inout SeededGenerator) -> Int? {
    let busy = recentSlots.filter { slot in
      guard let call = board.call(ofWorker: slot), plan.microseconds(call) >= 500 else { return false }
      return kill(board.process(ofWorker: slot), 0) == 0
    }
    return busy.randomElement(using: &random)
  }

  private func hasEnded(_ handle: CInt, within milliseconds: CInt) -> Bool {
    var entry = pollfd(fd: handle, events: CShort(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) > 0
  }

  private func killForkServers() {
    var last: CInt?
    for number in 0..<campaign.forkServerKills {
      let due = campaign.calls * number / campaign.forkServerKills
      while progress.done < due { usleep(100) }
      // The one killed last may be there for a moment yet; the next has to be back.
      while progress.isTimeForMore {
        usleep(500)
        guard let server = Footprint.forkServers().first(where: { $0 != last }) else { continue }
        kill(server, SIGKILL)
        last = server
        state.withLock { $0.forkServers += 1 }
        break
      }
    }
  }
}
