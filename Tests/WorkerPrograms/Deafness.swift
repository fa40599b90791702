import Glibc
import Interprocess
import Synchronization

/// What a cell of the crash matrix marks on its board, where a campaign has its calls.
package enum Mark: Int, CaseIterable, Sendable {
  case wentOff
  /// By the parent: the worker is to read nothing more.
  case turnDeaf
  /// It reads nothing more.
  case isDeaf
}

extension MarkBoard {
  package convenience init() throws { try self.init(calls: Mark.allCases.count) }

  package func note(_ mark: Mark) { begin(mark.rawValue) }
  package func has(_ mark: Mark) -> Bool { begun(mark.rawValue) > 0 }
}

/// How a worker comes to go off while a message to it is under way: the thread that reads its channel is kept from
/// reading before the message is sent, which is larger than what lies between the two processes. So it is half-way there
/// for however long that takes.
enum Deafness {
  private static let planned = Mutex<(way: Way, reader: pthread_t)?>(nil)
  private static let hasBegun = Atomic(false)

  /// Calls run on the thread that reads the channel.
  static func plan(_ way: Way) {
    planned.withLock { $0 = (way, pthread_self()) }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        Deafness.carryOut()
        return nil
      }, nil)
  }

  private static func carryOut() {
    guard let board = MarkBoard.ofWorker, let (way, reader) = planned.withLock({ $0 }) else { return }
    // Before that its reply may not have been sent.
    while !board.has(.turnDeaf) { usleep(500) }
    signal(SIGUSR1) { _ in
      Deafness.hasBegun.store(true, ordering: .relaxed)
      while true { pause() }
    }
    pthread_kill(reader, SIGUSR1)
    while !hasBegun.load(ordering: .relaxed) { usleep(500) }
    let arrivals = ChannelObjects.Arrivals()
    let before = arrivals.now
    board.note(.isDeaf)
    while arrivals.now == before { usleep(500) }
    usleep(10_000)
    try? way.happen()
  }
}
