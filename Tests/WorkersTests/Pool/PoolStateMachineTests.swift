import TestSupport
import Testing

@testable import Workers

@Suite("What the pool decides", .blocking)
struct PoolStateMachineTests {
  @Test("a worker that dies while running answers only its call, and another takes its place")
  func death() {
    var pool = Pool(2)
    for call in 0..<3 { pool.submit(call) }
    pool.die(0)
    #expect(pool.answers == [0: .crashed(.first)])
    #expect(pool.actions.contains(.startWorker(WorkerID(rawValue: 2))))
    pool.start(2)
    #expect(pool.worker(of: 2) == 2)
    pool.reply(1, 1)
    pool.reply(2, 2)
    #expect(pool.answers == [0: .crashed(.first), 1: .reply, 2: .reply])
  }

  @Test("a worker that has answered is sent its next call before anybody is woken")
  func order() {
    var pool = Pool(1)
    for call in 0..<2 { pool.submit(call) }
    pool.reply(0, 0)
    #expect(pool.actions == [.send(.second, to: .first, attempt: 1), .answer(.first, .reply)])
  }

  @Test("a call safe to repeat is sent again, before those submitted after it, and not for ever")
  func repetition() {
    var pool = Pool(1) { $0.maximumAttempts = 2 }
    pool.submit(0, CallRequest(isRepeatable: true))
    pool.submit(1)
    pool.die(0)
    pool.start(1)
    #expect(pool.actions.contains(.send(.first, to: .second, attempt: 2)))
    pool.die(1)
    #expect(pool.answers == [0: .crashed(.second)])
  }

  @Test("what a call took to reach its worker is added to its deadline, once and for as long as a start may take")
  func deadlineOfLateCall() {
    var pool = Pool(1) {
      $0.callDeadline = .seconds(2)
      $0.startTimeout = .seconds(3)
    }
    let timer = PoolTimer.deadline(.first, .first)
    pool.submit(0)
    pool.happen(.deadlineCame(.first, .first, hasRun: .milliseconds(500)))
    #expect(pool.actions == [.startTimer(timer, after: .milliseconds(1500))])
    pool.happen(.deadlineCame(.first, .first, hasRun: .zero))
    #expect(pool.actions == [.startTimer(timer, after: .milliseconds(1500))], "all that is left of three seconds")
    #expect(pool.answers.isEmpty)
    pool.happen(.deadlineCame(.first, .first, hasRun: .zero))
    #expect(pool.answers == [0: .deadlineExceeded])
  }

  @Test("a call that its worker has run for as long as its deadline is answered, before the worker is free")
  func deadline() {
    var pool = Pool(1) { $0.callDeadline = .seconds(2) }
    pool.submit(0)
    #expect(
      pool.actions == [
        .send(.first, to: .first, attempt: 1), .startTimer(.deadline(.first, .first), after: .seconds(2)),
      ])
    pool.submit(1)
    #expect(pool.actions == [])
    pool.happen(.deadlineCame(.first, .first, hasRun: .seconds(2)))
    #expect(pool.answers == [0: .deadlineExceeded])
    #expect(pool.actions.contains(.cancelInWorker(.first, .first)))
    pool.reply(0, 0)
    #expect(pool.answers == [0: .deadlineExceeded])
    #expect(pool.worker(of: 1) == 0)
  }

  @Test("a call that does not stop when asked to is stopped by SIGTERM, then by SIGKILL, and no other call notices")
  func ladder() {
    var pool = Pool(2)
    pool.submit(0)
    pool.submit(1)
    pool.happen(.cancel(.first))
    #expect(pool.actions.first == .cancelInWorker(.first, .first))
    #expect(pool.answers.isEmpty)
    pool.happen(.timerFired(.cancellation(.first, .first)))
    #expect(pool.answers == [0: .cancelled])
    #expect(pool.actions.contains(.terminate(.first)))
    pool.happen(.timerFired(.termination(.first)))
    #expect(pool.actions == [.kill(.first), .startTimer(.termination(.first), after: pool.machine.rules.startTimeout)])
    pool.die(0)
    pool.reply(1, 1)
    #expect(pool.answers == [0: .cancelled, 1: .reply])
    #expect(pool.machine.deaths.isEmpty)
  }

  @Test("a cancelled call that waits is answered at once; one that runs may still answer for itself")
  func cancellation() {
    var pool = Pool()
    pool.submit(0)
    pool.submit(1)
    pool.happen(.cancel(.second))
    #expect(pool.answers == [1: .cancelled])
    pool.happen(.cancel(.first))
    pool.reply(0, 0)
    #expect(pool.answers == [0: .reply, 1: .cancelled])
    #expect(pool.actions == [.cancelTimer(.cancellation(.first, .first)), .answer(.first, .reply)])
  }

  @Test("the higher priority goes first, and in one priority the call that came first")
  func priorities() {
    var pool = Pool()
    pool.submit(0)
    pool.submit(1, CallRequest(priority: .low))
    pool.submit(2)
    pool.submit(3, CallRequest(priority: .high))
    pool.submit(4, CallRequest(priority: .high))
    var order: [Int] = []
    while let running = (0..<5).first(where: { pool.worker(of: $0) != nil }) {
      order.append(running)
      pool.reply(0, running)
    }
    #expect(order == [0, 3, 4, 2, 1])
  }

  @Test("a held worker runs its holder's calls only, and when it dies they say so")
  func lease() {
    var pool = Pool(2)
    pool.happen(.hold(.first, .medium))
    #expect(pool.answers == [0: .granted(.first)])
    let held = CallRequest(target: .lease(.first))
    pool.submit(1)
    pool.submit(2)
    pool.submit(3, held)
    pool.submit(4, held)
    #expect(pool.worker(of: 1) == 1)
    #expect(pool.worker(of: 2) == nil)
    #expect(pool.worker(of: 3) == 0)
    pool.die(0)
    #expect(pool.answers[3] == .crashed(.first))
    #expect(pool.answers[4] == .leaseLost(.first))
    pool.submit(5, held)
    #expect(pool.answers[5] == .leaseLost(.first))
    pool.happen(.release(.first))
    #expect(pool.machine.leases.isEmpty)
  }

  @Test("a call for one worker waits for it, and is lost with it")
  func target() {
    var pool = Pool(2)
    pool.submit(0)
    pool.submit(1, CallRequest(target: .worker(.first)))
    pool.submit(2, CallRequest(target: .worker(.first)))
    pool.reply(0, 0)
    #expect(pool.worker(of: 1) == 0)
    pool.die(0)
    #expect(pool.answers == [0: .reply, 1: .crashed(.first), 2: .workerLost(.first)])
  }

  @Test("a spare serves at once when a worker dies, and no more than the maximum serve")
  func spare() {
    var pool = Pool(1) { $0.spares = 1 }
    pool.submit(0)
    pool.submit(1)
    #expect(pool.worker(of: 1) == nil)
    pool.die(0)
    #expect(pool.worker(of: 1) == 1)
  }

  @Test("workers that rest for a whole period go, down to the minimum; those needed come")
  func elastic() {
    var pool = Pool(1) { $0.maximum = 3 }
    for call in 0..<3 { pool.submit(call) }
    pool.start(1)
    pool.start(2)
    for call in 0..<3 { pool.reply(call, call) }
    pool.happen(.timerFired(.idle))
    pool.happen(.timerFired(.idle))
    let asked = pool.machine.workers.filter { $0.phase == .closing }.map(\.id.rawValue)
    #expect(asked == [1, 2])
  }

  @Test("a worker retires after its last call, and its replacement comes when it is gone")
  func recycling() {
    var pool = Pool(1) { $0.callsPerWorker = 2 }
    for call in 0..<3 { pool.submit(call) }
    pool.reply(0, 0)
    pool.reply(0, 1)
    #expect(pool.actions.contains(.askToExit(.first)))
    pool.die(0)
    pool.start(1)
    #expect(pool.worker(of: 2) == 1)
    #expect(pool.machine.deaths.isEmpty)
  }

  @Test("with the queue full a call is refused, unless it need not wait")
  func queueLimit() {
    var pool = Pool(1) { $0.queueLimit = 1 }
    for call in 0..<3 { pool.submit(call) }
    #expect(pool.answers == [2: .queueFull])
  }

  @Test("calls that wait for workers to start wait in no queue")
  func queueLimitAtStart() {
    var pool = Pool(2) { $0.queueLimit = 1 }
    pool.die(0)
    pool.die(1)
    for call in 0..<4 { pool.submit(call) }
    #expect(pool.answers == [3: .queueFull])
  }
}
