import Interprocess
import Synchronization
import TestSupport
import Testing

@testable import Workers

@Suite("The timers of a pool")
struct PoolTimersTests {
  private final class Fired: Sendable {
    let timers = Mutex<[PoolTimer]>([])
  }

  @Test("each fires once, the nearest first, and not when it was cancelled")
  func order() async throws {
    let fired = Fired()
    let timers = PoolTimers { timer in fired.timers.withLock { $0.append(timer) } }
    timers.start(.idle, after: .milliseconds(300))
    timers.start(.backOff, after: .milliseconds(10))
    timers.start(.forkServer, after: .milliseconds(20))
    timers.start(.shutdown, after: .milliseconds(100))
    timers.cancel(.forkServer)
    try await eventually("the last has fired") { fired.timers.withLock { $0.contains(.idle) } }
    #expect(fired.timers.withLock { $0 } == [.backOff, .shutdown, .idle])
    #expect(timers.count == 0)
  }

  @Test("one started again fires at its new time, once")
  func again() async throws {
    let fired = Fired()
    let timers = PoolTimers { timer in fired.timers.withLock { $0.append(timer) } }
    timers.start(.idle, after: generous)
    timers.start(.idle, after: .milliseconds(1))
    try await eventually("it has fired") { fired.timers.withLock { !$0.isEmpty } }
    #expect(fired.timers.withLock { $0 } == [.idle])
    #expect(timers.count == 0)
  }
}
