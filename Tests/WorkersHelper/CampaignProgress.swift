import Glibc
import Interprocess
import Synchronization
import WorkerPrograms

/// How far a campaign has come.
final class CampaignProgress: Sendable {
  private struct State {
    /// Of the calls that were made.
    var outcomes: [Campaign.Outcome] = []
    /// When all that were planned had been answered.
    var end: ContinuousClock.Instant?
  }

  private let state = Mutex(State())
  private let finished = Atomic(0)
  private let count: Int
  /// How many calls there may be, with those beyond the plan.
  let most: Int

  private static let extra = 250_000
  private static let extraTime = Duration.seconds(30)

  init(calls: Int) {
    count = calls
    most = calls + Self.extra
  }

  /// - Parameter isMoreWanted: whether to go on when all that were planned have been made.
  func next(isMoreWanted: Bool) -> Int? {
    state.withLock { state in
      let call = state.outcomes.count
      guard call < count || isMoreWanted && call < most else { return nil }
      state.outcomes.append(.none)
      return call
    }
  }

  func finish(_ call: Int, _ outcome: Campaign.Outcome) {
    let done = finished.wrappingAdd(1, ordering: .relaxed).newValue
    state.withLock { state in
      state.outcomes[call] = outcome
      if done == count { state.end = .now }
    }
  }

  var done: Int { finished.load(ordering: .relaxed) }
  var isPlanDone: Bool { done >= count }
  /// Whether those who have not killed all that they are to kill may go on.
  var isTimeForMore: Bool { state.withLock { $0.end.map { .now - $0 < Self.extraTime } ?? true } }
  var all: [Campaign.Outcome] { state.withLock { $0.outcomes } }

  /// Ends the process, saying what hangs, when nothing is answered for half a minute.
  ///
  /// - Returns: set to end the watch.
  func watch(_ board: MarkBoard) -> Watch {
    let watch = Watch()
    startThread { [self] in
      var (last, seconds) = (-1, 0)
      while !watch.load(ordering: .relaxed) {
        sleep(1)
        seconds = done == last ? seconds + 1 : 0
        last = done
        if seconds < 30 { continue }
        let outcomes = all
        let open = outcomes.indices.filter { if case .none = outcomes[$0] { true } else { false } }
        for call in open.prefix(10) {
          let process = board.process(ofCall: call)
          let what = "begun \(board.begun(call)), ended \(board.ended(call)), process \(process)"
          say("violation: call \(call) hangs: \(what) \(Footprint.status(of: process))")
        }
        say("violation: \(open.count) calls hang after \(last) answers; \(Footprint.descendants())")
        exit(3)
      }
    }
    return watch
  }

  /// Set when there is nothing to watch any more.
  final class Watch: Sendable {
    private let flag = Atomic(false)
    func load(ordering: AtomicLoadOrdering) -> Bool { flag.load(ordering: .relaxed) }
    func store(_ value: Bool, ordering: AtomicStoreOrdering) { flag.store(value, ordering: .relaxed) }
  }
}
