import Glibc
import Interprocess
import Synchronization

/// A way for a worker to go, or to stay.
public enum Way: String, Codable, CaseIterable, Sendable {
  case segmentationFault = "segfault"
  case abort
  case trap
  case kill
  /// It runs on, whoever asks it to end.
  case ignoringTermination = "ignore-term"
  case stop
  case exitZero = "exit-0"
  case exitThree = "exit-3"
  /// It takes memory until there is none.
  case memory
  case throwing = "throw"

  /// Marks that it has come to this, and does it.
  package func happen() throws {
    MarkBoard.ofWorker?.note(.wentOff)
    switch self {
    case .segmentationFault: raise(SIGSEGV)
    case .abort: Glibc.abort()
    case .trap:
      let empty: [Int] = []
      print(empty[Int(CommandLine.argc)])
    case .kill: Glibc.kill(getpid(), SIGKILL)
    case .ignoringTermination:
      signal(SIGTERM, SIG_IGN)
      while true { usleep(1000) }
    case .stop: raise(SIGSTOP)
    case .exitZero: _exit(0)
    case .exitThree: exit(3)
    case .memory:
      var blocks: [[UInt8]] = []
      while true { blocks.append([UInt8](repeating: UInt8(truncatingIfNeeded: blocks.count), count: 1 << 20)) }
    case .throwing: throw Refusal(why: "on purpose")
    }
  }

  /// On a thread of its own, after a while.
  func happen(afterMilliseconds delay: UInt32) {
    Self.planned.withLock { $0 = (self, delay) }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        let (way, delay) = Way.planned.withLock { $0 }
        usleep(1000 * delay)
        try? way.happen()
        return nil
      }, nil)
  }

  /// When the process ends in order.
  func happenAtExit() {
    Self.planned.withLock { $0 = (self, 0) }
    atexit { try? Way.planned.withLock { $0.0 }.happen() }
  }

  private static let planned = Mutex((Way.throwing, UInt32(0)))
}
