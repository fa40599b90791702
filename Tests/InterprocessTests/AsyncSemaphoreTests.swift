import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Semaphores, from tasks", .timeLimit(.minutes(5)))
struct AsyncSemaphoreTests {
  /// The two kinds of POSIX semaphore, by what they do alike.
  enum Kind: CaseIterable {
    case named
    case unnamed

    func semaphore(value: UInt32) throws -> any Semaphore {
      switch self {
      case .named: return try Named(value: value)
      case .unnamed:
        let memory = try AnonymousMemory(byteCount: UnnamedSemaphore.byteCount)
        return try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: value)
      }
    }
  }

  @Test("a suspended task gets what is released, and others run meanwhile", arguments: Kind.allCases)
  func arrival(kind: Kind) async throws {
    let semaphore = try kind.semaphore(value: 0)
    let waiting = (0..<16).map { _ in Task { try await semaphore.acquire(until: generous) } }
    for _ in waiting {
      try await Task.sleep(for: .milliseconds(1))
      try semaphore.release()
    }
    for task in waiting { try await task.value }
    #expect(try semaphore.count() == 0)
  }

  @Test("waiting times out, and takes nothing", arguments: Kind.allCases)
  func timeout(kind: Kind) async throws {
    let semaphore = try kind.semaphore(value: 0)
    let error = await #expect(throws: InterprocessError.self) { try await semaphore.acquire(until: .milliseconds(5)) }
    #expect(error?.isTimeout == true)
    try semaphore.release()
    #expect(try semaphore.count() == 1)
  }

  @Test("cancelling ends the wait without a release", arguments: Kind.allCases)
  func cancelled(kind: Kind) async throws {
    let semaphore = try kind.semaphore(value: 0)
    let waiting = (0..<16).map { _ in Task { try await semaphore.acquire(until: nil) } }
    try await Task.sleep(for: .milliseconds(5))
    for task in waiting { task.cancel() }
    for task in waiting { await #expect(throws: CancellationError.self) { try await task.value } }
    try semaphore.release()
    let before = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await semaphore.acquire(until: nil)
    }
    await #expect(throws: CancellationError.self) { try await before.value }
    #expect(try semaphore.count() == 1)
  }

  @Test("a body that suspends or throws gives it back")
  func scoped() async throws {
    struct Stop: Error {}
    let name = Unique.name()
    let named = try POSIXSemaphore(creating: name, value: 1)
    defer { try? POSIXSemaphore.unlink(name) }
    var (inside, thrown) = (0, 0)
    do {
      try await named.withAcquired(timeout: generous) {
        inside += try named.value
        await Task.yield()
        throw Stop()
      }
    } catch is Stop {
      thrown += 1
    }
    let memory = try AnonymousMemory(byteCount: UnnamedSemaphore.byteCount)
    let unnamed = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 1)
    inside += try await unnamed.withAcquired {
      await Task.yield()
      return try unnamed.value
    }
    let (first, second) = (try named.value, try unnamed.value)
    #expect((inside, thrown, first, second) == (0, 1, 1, 1))
  }

  /// Waiters give up at random moments, by cancellation or by timeout, while somebody releases.
  @Test(
    "an acquire that is cancelled or times out never loses a release", arguments: Kind.allCases)
  func nothingIsLost(kind: Kind) async throws {
    let semaphore = try kind.semaphore(value: 0)
    let count = 2000
    let releaser = Background {
      for number in 0..<count {
        try semaphore.release()
        usleep(number.isMultiple(of: 3) ? 200 : 1)
      }
    }
    var taken = 0
    let deadline = ContinuousClock.now + .seconds(40)
    while taken < count, ContinuousClock.now < deadline {
      taken += try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<2 { group.addTask { try await Self.acquireOrGiveUp(semaphore) } }
        return try await group.reduce(0, +)
      }
    }
    try releaser.value()
    #expect(taken == count)
    #expect(try semaphore.count() == 0)
  }

  /// - Returns: how many it took, 0 or 1.
  private static func acquireOrGiveUp(_ semaphore: any Semaphore) async throws -> Int {
    let acquirer = Task { try await semaphore.acquire(until: .microseconds(Int.random(in: 20...400))) }
    if Bool.random() {
      try await Task.sleep(for: .microseconds(Int.random(in: 0...200)))
      acquirer.cancel()
    }
    if case .success = await acquirer.result { return 1 }
    return 0
  }
}

/// What both kinds do, to hand to tasks.
protocol Semaphore: Sendable {
  func acquire(until timeout: Duration?) async throws
  func release() throws(InterprocessError)
  func count() throws -> Int
}

extension UnnamedSemaphore: Semaphore {
  func acquire(until timeout: Duration?) async throws { try await acquire(timeout: timeout) }
  func count() throws -> Int { try value }
}

/// A named semaphore whose name has gone already.
private final class Named: Semaphore {
  private let semaphore: POSIXSemaphore

  init(value: UInt32) throws {
    let name = Unique.name()
    semaphore = try POSIXSemaphore(creating: name, value: value)
    try POSIXSemaphore.unlink(name)
  }

  func acquire(until timeout: Duration?) async throws { try await semaphore.acquire(timeout: timeout) }
  func release() throws(InterprocessError) { try semaphore.release() }
  func count() throws -> Int { try semaphore.value }
}

@Suite("Waiting in memory, from tasks", .timeLimit(.minutes(5)))
struct AsyncMappingTests {
  @Test("a suspended task is woken, times out, and is cancelled without being woken")
  func futex() async throws {
    let name = Unique.name()
    let shared = try POSIXSharedMemory(creating: name, byteCount: 64)
    defer { try? POSIXSharedMemory.unlink(name) }
    do {
      try await shared.mapping.wait(at: 8, while: 0, timeout: .milliseconds(5))
      Issue.record("nobody woke it")
    } catch {
      #expect((error as? InterprocessError)?.isTimeout == true)
    }
    try await shared.mapping.wait(at: 8, while: 1)
    let woken = Task {
      let memory = try POSIXSharedMemory(opening: name)
      try await memory.mapping.wait(at: 4, while: 0, timeout: generous)
    }
    let cancelled = Task {
      let memory = try POSIXSharedMemory(opening: name)
      try await memory.mapping.wait(at: 8, while: 0)
    }
    let deadline = ContinuousClock.now + generous
    while try shared.mapping.wake(at: 4) == 0, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(1))
    }
    try await woken.value
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
  }
}
