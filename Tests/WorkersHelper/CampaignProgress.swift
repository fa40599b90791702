import Glibc
import Interprocess
import Synchronization
import WorkerPrograms

/// How far a campaign has come.
final class CampaignProgress: Sendable {
  private let outcomes: Mutex<[Campaign.Outcome]>
  private let started = Atomic(0)
  private let finished = Atomic(0)
  private let count: Int

  init(calls: Int) {
    count = calls
    outcomes = Mutex(Array(repeating: .none, count: calls))
  }

  func next() -> Int? {
    let call = started.wrappingAdd(1, ordering: .relaxed).oldValue
    return call < count ? call : nil
  }

  func finish(_ call: Int, _ outcome: Campaign.Outcome) {
    outcomes.withLock { $0[call] = outcome }
    finished.wrappingAdd(1, ordering: .relaxed)
  }

  var done: Int { finished.load(ordering: .relaxed) }
  var isOver: Bool { done >= count }
  var all: [Campaign.Outcome] { outcomes.withLock { $0 } }

  var summary: String {
    let failed = all.count { if case .value = $0 { false } else { true } }
    return "\(failed) calls failed"
  }

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
        let open = all.indices.prefix { $0 < started.load(ordering: .relaxed) }.filter {
          if case .none = all[$0] { true } else { false }
        }
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
