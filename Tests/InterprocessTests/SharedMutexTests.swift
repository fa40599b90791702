import Interprocess
import SystemPackage
import TestSupport
import Testing

/// What a scenario of the helper found out.
private func facts(_ scenario: String) throws -> [String] {
  try Command.run(Package.program("forked-process-helper"), [scenario], timeout: .seconds(60)).lines
}

@Suite("SharedMutex")
struct SharedMutexTests {
  @Test("one thread holds it at a time, and others wait, try, or time out")
  func exclusion() throws {
    let memory = try AnonymousMemory(byteCount: 128)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 64)
    let other = try SharedMutex(openingIn: memory.mapping, at: 64)
    let result = try mutex.withLock { lock in
      let died = lock.ownerDied
      #expect(!died)
      try lock.markConsistent()
      let (tried, error) = try Background {
        let tried = try other.withLockIfAvailable { _ in true }
        do { try other.withLock(timeout: .milliseconds(5)) { _ in } } catch let error as InterprocessError {
          return (tried, error as InterprocessError?)
        }
        return (tried, nil)
      }.value()
      #expect(tried == nil)
      #expect(error?.isTimeout == true)
      return 42
    }
    #expect(result == 42)
    let tried = try Background { try other.withLockIfAvailable { _ in true } }.value()
    #expect(tried == true)
  }

  @Test("threads that count under it lose nothing")
  func counting() throws {
    let memory = try AnonymousMemory(byteCount: 4096)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 2048)
    // Both lie in the same memory, whichever of them has it.
    let array = try SharedArray(repeating: 0, count: 1, in: memory)
    let workers = (0..<4).map { _ in
      Background { for _ in 0..<5000 { try mutex.withLock(timeout: generous) { _ in array[0] += 1 } } }
    }
    for worker in workers { try worker.value() }
    #expect(array[0] == 20_000)
  }

  @Test("taking it twice in one thread is an error and no deadlock, and a body that throws gives it back")
  func misuse() throws {
    struct Stop: Error {}
    let memory = try AnonymousMemory(byteCount: 64)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    try mutex.withLock { _ in
      let error = #expect(throws: InterprocessError.self) { try mutex.withLock { _ in } }
      #expect(error?.errno == .deadlock)
      #expect(error?.remedy == "this thread holds the lock already")
    }
    #expect(throws: Stop.self) { try mutex.withLock { _ in throw Stop() } }
    try mutex.withLock(timeout: .zero) { _ in }
  }

  @Test("what is no lock, lies outside, or cannot be written is refused")
  func refused() throws {
    let name = Unique.name()
    let memory = try POSIXSharedMemory(creating: name, byteCount: 200)
    defer { try? POSIXSharedMemory.unlink(name) }
    let none = #expect(throws: InterprocessError.self) { _ = try SharedMutex(openingIn: memory.mapping, at: 0) }
    #expect(none?.remedy == "there is no SharedMutex here; its creator has to come first")
    _ = try SharedCondition(creatingIn: memory.mapping, at: 0)
    #expect(throws: InterprocessError.self) { _ = try SharedMutex(openingIn: memory.mapping, at: 0) }
    for offset in [-64, 8, 192, .max - 63] {
      let error = #expect(throws: InterprocessError.self) {
        _ = try SharedMutex(creatingIn: memory.mapping, at: offset)
      }
      #expect(error?.remedy == "offsets are multiples of 64, with 64 bytes left of the 200")
    }
    let readOnly = try POSIXSharedMemory(opening: name, readOnly: true)
    let error = #expect(throws: InterprocessError.self) { _ = try SharedCondition(openingIn: readOnly.mapping, at: 0) }
    #expect(error?.remedy == "the memory is read-only")
  }

  @Test("it outlives the memory's owner")
  func keepsMemory() throws {
    func make() throws -> SharedMutex {
      try SharedMutex(creatingIn: try AnonymousMemory(byteCount: 64).mapping, at: 0)
    }
    let mutex = try make()
    try mutex.withLock { _ in }
  }

  @Test("when its holder is killed, the next one is told, repairs, and all goes on")
  func ownerDied() throws {
    let killed = "was killed by signal 9 (SIGKILL)"
    let expected = [
      killed, "owner died: true", "owner died: false", "owner died: false", killed, "owner died: true",
    ]
    #expect(try facts("mutex-repaired") == expected)
  }

  @Test("one that waits already when the holder is killed gets it at once, and may repair it")
  func handedOver() throws {
    let lines = try facts("mutex-handed-over")
    #expect(lines == ["was killed by signal 9 (SIGKILL)", "handed over: true", "owner died: false"])
  }

  @Test("when nobody repairs, nobody gets it, and the error says what happened")
  func notRecoverable() throws {
    let lines = try facts("mutex-left-broken")
    #expect(lines.count == 4)
    #expect(lines.dropFirst().allSatisfy { $0.contains("State not recoverable: a holder died") }, "\(lines)")
  }
}

@Suite("SharedCondition")
struct SharedConditionTests {
  @Test("a waiter that cannot have its lock any more is told so, and holds nothing")
  func leftBroken() throws {
    let lines = try facts("condition-left-broken")
    try #require(lines.count == 4, "\(lines)")
    // The waiter writes out what it says when it ends, before this process does.
    #expect(lines[0].contains("State not recoverable: a holder died"))
    #expect(lines[1].contains("the lock is not held any more"))
    #expect(lines[2] == "was killed by signal 9 (SIGKILL)")
    #expect(lines[3] == "exited with code 0")
  }

  @Test("waiting times out with the lock held again")
  func timeout() throws {
    let memory = try AnonymousMemory(byteCount: 128)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
    try condition.notifyOne()
    try condition.notifyAll()
    try mutex.withLock { lock in
      do {
        try condition.wait(with: &lock, timeout: .milliseconds(5))
        Issue.record("nobody has notified")
      } catch {
        #expect((error as? InterprocessError)?.isTimeout == true)
      }
      let taken = try Background { try mutex.withLockIfAvailable { _ in true } }.value()
      #expect(taken == nil)
    }
  }

  @Test("a waiter gives the lock up, and wakes with it")
  func waking() throws {
    let memory = try AnonymousMemory(byteCount: 128)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
    let array = try SharedArray(repeating: 0, count: 2, in: try AnonymousMemory(byteCount: 128))
    let waiters = (0..<3).map { _ in
      Background {
        try mutex.withLock { lock in
          array[1] += 1
          try condition.wait(with: &lock, timeout: generous) { array[0] == 0 }
        }
      }
    }
    while try mutex.withLock({ _ in array[1] }) < 3 {}
    try mutex.withLock { _ in array[0] = 1 }
    try condition.notifyAll()
    for waiter in waiters { try waiter.value() }
  }

  @Test("a notifier goes on after waiters were killed, and a live waiter wakes")
  func killedWaiters() throws {
    let killed = "was killed by signal 9 (SIGKILL)"
    #expect(
      try facts("condition-killed-waiters") == [
        "\(killed), \(killed)", "owner died: false", "Optional(exited with code 0)", "104",
      ])
  }

  @Test("a waiter learns that a holder died, and does not wait again before it has repaired")
  func ownerDied() throws {
    let lines = try facts("condition-owner-died")
    #expect(lines.contains("owner died: true"))
    #expect(lines.contains { $0.contains("call markConsistent() before waiting") })
    #expect(lines.contains("Optional(exited with code 0)"))
  }

  @Test("two processes that take turns lose no notification")
  func handover() throws {
    #expect(try facts("condition-handover") == ["exited with code 0", "2000"])
  }
}

@Suite("UnnamedSemaphore")
struct UnnamedSemaphoreTests {
  @Test("it counts, tries, times out, and gives back what a body that throws had")
  func counting() throws {
    struct Stop: Error {}
    let memory = try AnonymousMemory(byteCount: 64)
    let semaphore = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 1)
    let other = try UnnamedSemaphore(openingIn: memory.mapping, at: 0)
    #expect(throws: Stop.self) { try other.withAcquired { throw Stop() } }
    #expect(try semaphore.tryAcquire())
    #expect(try !other.tryAcquire())
    let timeout = #expect(throws: InterprocessError.self) { try other.acquire(timeout: .milliseconds(5)) }
    #expect(timeout?.isTimeout == true)
    try other.release()
    #expect(try semaphore.value == 1)
  }

  @Test("values past the largest are refused")
  func limits() throws {
    let memory = try AnonymousMemory(byteCount: 64)
    let large = #expect(throws: InterprocessError.self) {
      _ = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: .max)
    }
    #expect(large?.remedy == "value 4294967295 is above 2147483647")
    #expect(throws: InterprocessError.self) { _ = try UnnamedSemaphore(openingIn: memory.mapping, at: 0) }
    let full = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 2_147_483_647)
    let overflow = #expect(throws: InterprocessError.self) { try full.release() }
    #expect(overflow?.errno == .overflow)
  }

  @Test("another process wakes whoever waits")
  func processes() throws {
    #expect(try facts("semaphore") == ["exited with code 0"])
  }
}
