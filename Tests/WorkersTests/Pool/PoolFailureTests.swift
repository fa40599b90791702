import TestSupport
import Testing

@testable import Workers

@Suite("What the pool does when it goes wrong", .blocking)
struct PoolFailureTests {
  @Test("too many idle deaths in the window fail the pool: what waits is told, what runs may finish, then it ends")
  func restartLimit() {
    var pool = Pool(2) { $0.restartLimit = PoolRules.RestartLimit(deaths: 1, window: .seconds(1)) }
    pool.die(0)
    pool.die(1, at: .seconds(1))
    #expect(!pool.machine.hasFailed)
    pool.start(2)
    pool.submit(0)
    pool.submit(1)
    pool.submit(2)
    pool.die(2, at: .seconds(1.5))
    #expect(!pool.machine.hasFailed, "it ran a call")
    #expect(pool.answers == [0: .crashed(WorkerID(rawValue: 2))])
    pool.start(3)
    pool.start(4)
    pool.reply(4, 2)
    pool.die(4, at: .seconds(1.7))
    #expect(pool.actions.contains(.fail))
    pool.submit(3)
    #expect(pool.answers[3] == .poolFailed)
    pool.reply(3, 1)
    #expect(pool.answers[1] == .reply)
    pool.die(3)
    pool.happen(.forkServerDied(at: .seconds(2)))
    #expect(pool.actions.last == .end)
  }

  @Test("what happens to many workers at once counts once: starts of a round that fail, and deaths that come together")
  func onceForAll() {
    var pool = Pool(16) { $0.restartLimit = PoolRules.RestartLimit(deaths: 2, window: .seconds(10)) }
    for worker in 0..<16 { pool.die(worker, at: .milliseconds(worker)) }
    #expect(!pool.machine.hasFailed && pool.machine.deaths.count == 1)
    for worker in 16..<32 { pool.happen(.startFailed(WorkerID(rawValue: worker), at: .seconds(1))) }
    #expect(!pool.machine.hasFailed && pool.machine.failedStarts == 1 && pool.machine.deaths.count == 2)
    pool.happen(.timerFired(.backOff))
    pool.happen(.startFailed(WorkerID(rawValue: 32), at: .seconds(2)))
    #expect(pool.machine.hasFailed)
  }

  @Test("failed starts wait longer each time, and calls wait with them")
  func backOff() {
    var pool = Pool(1) { $0.maximumBackOff = .milliseconds(25) }
    pool.die(0)
    var waits: [Duration] = []
    for worker in 1...3 {
      pool.happen(.startFailed(WorkerID(rawValue: worker), at: .zero))
      for case .startTimer(.backOff, let wait) in pool.actions { waits.append(wait) }
      pool.happen(.timerFired(.backOff))
    }
    #expect(waits == [.milliseconds(10), .milliseconds(20), .milliseconds(25)])
    pool.start(4)
    #expect(pool.machine.failedStarts == 0)
  }

  @Test("when the fork server dies running calls go on, and starts it had not answered are asked of the next")
  func forkServer() {
    var pool = Pool(2)
    pool.submit(0)
    pool.die(1)
    pool.happen(.forkServerDied(at: .zero))
    #expect(pool.actions.contains(.forget(WorkerID(rawValue: 2))))
    pool.reply(0, 0)
    #expect(pool.answers == [0: .reply])
    pool.happen(.timerFired(.backOff))
    #expect(pool.actions.first == .startForkServer)
    pool.happen(.forkServerReady)
    #expect(pool.actions.contains(.startWorker(WorkerID(rawValue: 3))))
  }

  @Test("a fork server that answers no request is killed, so that another may")
  func silentForkServer() {
    var pool = Pool()
    pool.die(0)
    pool.happen(.timerFired(.start(.second)))
    #expect(pool.actions == [.killForkServer])
  }

  @Test("a worker that not even SIGKILL ends is waited for no longer: its call is answered, and the pool may end")
  func immortal() {
    var pool = Pool(2)
    pool.submit(0)
    pool.reply(0, 77)
    pool.happen(.timerFired(.termination(.first)))
    #expect(pool.actions.prefix(2) == [.forget(.first), .answer(.first, .crashed(.first))])
    pool.start(2)
    pool.happen(.shutdown(.drain(within: nil)))
    // Its end comes late, and is no news.
    pool.die(0)
    pool.die(1)
    pool.die(2)
    #expect(pool.actions.contains(.closeForkServer))
  }

  @Test("a worker that answers a call never made is killed, its call answered when it is gone")
  func garbage() {
    var pool = Pool()
    pool.submit(0)
    pool.reply(0, 77)
    #expect(pool.actions == [.kill(.first), .startTimer(.termination(.first), after: pool.machine.rules.startTimeout)])
    pool.die(0)
    #expect(pool.answers == [0: .crashed(.first)])
    pool.start(1)
    pool.happen(.protocolViolation(.second))
    pool.die(1)
    #expect(pool.machine.deaths.count == 1, "of an idle worker, not of one that ran a call")
  }

  @Test("starts that fail for ever fail the pool, however far apart, and a call that waits is told")
  func failedStarts() {
    var pool = Pool(1) { $0.restartLimit = PoolRules.RestartLimit(deaths: 3, window: .seconds(1)) }
    pool.die(0)
    pool.submit(0)
    for worker in 1...3 {
      pool.happen(.startFailed(WorkerID(rawValue: worker), at: .seconds(10 * worker)))
      #expect(!pool.machine.hasFailed)
      pool.happen(.timerFired(.backOff))
    }
    pool.happen(.startFailed(WorkerID(rawValue: 4), at: .seconds(40)))
    #expect(pool.answers == [0: .poolFailed])
  }

  @Test("a worker whose channel has ended gets no call, and is killed after the grace period unless it exits")
  func silence() {
    var pool = Pool(2)
    pool.submit(0)
    pool.happen(.channelEnded(.first))
    pool.happen(.channelEnded(.second))
    pool.submit(1)
    #expect(pool.worker(of: 1) == nil)
    pool.happen(.timerFired(.silence(.first)))
    #expect(pool.actions == [.kill(.first), .startTimer(.termination(.first), after: pool.machine.rules.startTimeout)])
    pool.die(0)
    #expect(pool.answers == [0: .crashed(.first)])
    pool.die(1)
    #expect(pool.actions.contains(.cancelTimer(.silence(.second))))
    #expect(pool.machine.deaths.count == 1)
  }

  @Test("a call that its worker never began with goes to another, uncounted, but not for ever")
  func notBegun() {
    var pool = Pool(2) { $0.maximumAttempts = 1 }
    pool.submit(0)
    pool.happen(.notBegun(.first, .first))
    #expect(pool.actions.contains(.send(.first, to: .second, attempt: 1)))
    pool.happen(.notBegun(.second, .first))
    pool.die(0)
    pool.die(1)
    #expect(pool.answers == [0: .crashed(.second)])
  }

  @Test("a call that was cancelled, or whose pool is shut down, is not sent again when it never began")
  func notBegunAndUnwanted() {
    var pool = Pool(2)
    pool.submit(0)
    pool.submit(1)
    pool.happen(.cancel(.first))
    pool.happen(.notBegun(.first, .first))
    #expect(pool.answers == [0: .cancelled])
    pool.happen(.shutdown(.cancel))
    pool.happen(.notBegun(.second, .second))
    #expect(pool.answers == [0: .cancelled, 1: .poolClosed])
  }

  @Test("a stopped worker gets no call, and is killed after the grace period unless it is continued")
  func stopped() {
    var pool = Pool()
    pool.happen(.stopped(.first))
    pool.submit(0)
    #expect(pool.worker(of: 0) == nil)
    pool.happen(.continued(.first))
    #expect(pool.worker(of: 0) == 0)
    pool.happen(.stopped(.first))
    pool.happen(.timerFired(.stop(.first)))
    #expect(pool.actions == [.kill(.first), .startTimer(.termination(.first), after: pool.machine.rules.startTimeout)])
  }

  @Test("a drain makes the calls it took, refuses others, and ends")
  func drain() {
    var pool = Pool()
    pool.submit(0)
    pool.submit(1)
    pool.happen(.shutdown(.drain(within: .seconds(5))))
    pool.submit(2)
    pool.reply(0, 0)
    pool.reply(0, 1)
    #expect(pool.answers == [0: .reply, 1: .reply, 2: .poolClosed])
    pool.die(0)
    #expect(pool.actions.contains(.cancelTimer(.shutdown)))
    pool.happen(.forkServerDied(at: .zero))
    #expect(pool.actions.last == .end)
  }

  @Test("a drain that takes too long becomes a cancellation, and that ends whatever the workers do")
  func drainTooLong() {
    var pool = Pool()
    pool.submit(0)
    pool.submit(1)
    pool.happen(.shutdown(.drain(within: .seconds(5))))
    pool.happen(.timerFired(.shutdown))
    #expect(pool.answers == [1: .poolClosed])
    pool.happen(.timerFired(.cancellation(.first, .first)))
    #expect(pool.answers == [0: .poolClosed, 1: .poolClosed])
    pool.happen(.timerFired(.termination(.first)))
    pool.die(0)
    pool.happen(.timerFired(.forkServer))
    pool.happen(.forkServerDied(at: .zero))
    #expect(pool.actions.last == .end)
  }
}
