import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("EventCounter and ProcessHandle", .timeLimit(.minutes(5)))
struct EventCounterTests {
  @Test("taking takes everything, or one of a semaphore")
  func modes() throws {
    let counter = try EventCounter(initialValue: 2)
    try counter.add(3)
    let (all, none) = (try counter.take(timeout: generous), try counter.tryTake())
    #expect(all == 5)
    #expect(none == nil)
    let semaphore = try EventCounter(initialValue: 2, taking: .semaphore)
    let (first, second, third) = (try semaphore.take(), try semaphore.take(), try semaphore.tryTake())
    #expect((first, second, third) == (1, 1, nil))
  }

  @Test("an empty counter times out, a full one takes no more")
  func limits() throws {
    let counter = try EventCounter()
    let empty = #expect(throws: InterprocessError.self) { _ = try counter.take(timeout: .milliseconds(5)) }
    #expect(empty?.isTimeout == true)
    try counter.add(.max - 1)
    let added = try counter.tryAdd()
    #expect(!added)
    let full = #expect(throws: InterprocessError.self) { try counter.add(timeout: .milliseconds(5)) }
    #expect(full?.isTimeout == true)
    let most = #expect(throws: InterprocessError.self) { try counter.add(.max) }
    #expect(most?.errno == .invalidArgument)
  }

  @Test("an adopted counter that blocks still does afterwards, and no call that is not to wait does")
  func adopted() throws {
    let number = ci_eventfd(0, O_CLOEXEC)
    let counter = EventCounter(adopting: OwnedDescriptor(adopting: number))
    let none = try counter.tryTake()
    #expect(none == nil)
    try counter.add(.max - 2)
    let (room, noRoom) = (try counter.tryAdd(1), try counter.tryAdd(5))
    #expect((room, noRoom) == (true, false))
    let late = #expect(throws: InterprocessError.self) { try counter.add(7, timeout: .milliseconds(5)) }
    #expect(late?.isTimeout == true)
    let taken = try counter.take()
    #expect(taken == UInt64.max - 1)
    #expect(fcntl(number, F_GETFL) & O_NONBLOCK == 0)
  }

  @Test("a suspended task takes what another adds, and is cancelled")
  func asyncForms() async throws {
    let counter = try EventCounter()
    let copy = dup(counter.descriptor.rawValue)
    let taking = Task {
      let counter = EventCounter(adopting: OwnedDescriptor(adopting: copy))
      try await counter.wait(timeout: generous)
      return try await counter.take(timeout: generous)
    }
    try await counter.add(4)
    #expect(try await taking.value == 4)
    let waiting = Task {
      let counter = try EventCounter()
      return try await counter.take()
    }
    try await Task.sleep(for: .milliseconds(20))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
  }

  @Test("a handle signals its process, waits for it and tells how it ended")
  func process() async throws {
    let id = try Command.start("/bin/sleep", ["10"])
    let handle = try ProcessHandle(of: id)
    let late = #expect(throws: InterprocessError.self) {
      func wait() throws(InterprocessError) { try handle.wait(timeout: .milliseconds(5)) }
      try wait()
    }
    #expect(late?.isTimeout == true)
    try handle.signal(SIGTERM)
    try await handle.wait(timeout: generous)
    let hasEnded = try handle.hasEnded()
    let ending = try await handle.reap(timeout: generous)
    #expect(hasEnded)
    #expect(ending == .signalled(SIGTERM, coreDumped: false))
    let gone = #expect(throws: InterprocessError.self) { try handle.signal(SIGTERM) }
    #expect(gone?.errno == .noSuchProcess)
    let again = #expect(throws: InterprocessError.self) { _ = try handle.tryReap() }
    #expect(again?.errno == .noChildProcess)
  }
}
