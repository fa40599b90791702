import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("POSIXSemaphore", .blocking)
struct POSIXSemaphoreTests {
  private func withSemaphore<Result>(
    _ value: UInt32, _ body: (String, borrowing POSIXSemaphore) throws -> Result
  ) throws -> Result {
    let name = Unique.name()
    let semaphore = try POSIXSemaphore(creating: name, value: value)
    defer { try? POSIXSemaphore.unlink(name) }
    return try body(name, semaphore)
  }

  @Test("it counts down to 0, and then waits")
  func counting() throws {
    try withSemaphore(2) { name, semaphore in
      let other = try POSIXSemaphore(opening: name)
      try semaphore.acquire()
      let second = try other.tryAcquire()
      let third = try semaphore.tryAcquire()
      let value = try other.value
      #expect((second, third, value) == (true, false, 0))
      let error = #expect(throws: InterprocessError.self) { try semaphore.acquire(timeout: .milliseconds(5)) }
      #expect(error?.isTimeout == true)
      try other.release()
      try semaphore.acquire(timeout: generous)
    }
  }

  @Test("an existing one keeps its value, and creating it again is refused")
  func existing() throws {
    try withSemaphore(3) { name, _ in
      let value = try POSIXSemaphore(creatingIfAbsent: name, value: 9).value
      #expect(value == 3)
      let exists = #expect(throws: InterprocessError.self) { _ = try POSIXSemaphore(creating: name, value: 1) }
      #expect(exists?.errno == .fileExists)
    }
    let none = #expect(throws: InterprocessError.self) { _ = try POSIXSemaphore(opening: Unique.name()) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let large = #expect(throws: InterprocessError.self) { _ = try POSIXSemaphore(creating: Unique.name(), value: .max) }
    #expect(large?.remedy == "value 4294967295 is above 2147483647")
  }

  @Test("a body that throws gives it back")
  func scoped() throws {
    struct Stop: Error {}
    try withSemaphore(1) { _, semaphore in
      #expect(throws: Stop.self) { try semaphore.withAcquired { throw Stop() } }
      let value = try semaphore.value
      #expect(value == 1)
    }
  }

  @Test("Python and Swift wait for each other", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    try withSemaphore(0) { name, semaphore in
      _ = try PythonPeer.run("sem-release", name)
      try semaphore.acquire(timeout: generous)
      try semaphore.release()
      _ = try PythonPeer.run("sem-acquire", name)
      let value = try semaphore.value
      #expect(value == 0)
    }
  }
}

@Suite("SystemVSemaphoreSet", .blocking)
struct SystemVSemaphoreSetTests {
  private func withSet<Result>(
    _ values: [UInt16], _ body: (borrowing SystemVSemaphoreSet) throws -> Result
  ) throws -> Result {
    let set = try SystemVSemaphoreSet(values: values)
    defer { try? set.remove() }
    return try body(set)
  }

  @Test("one of a set is taken if there is one")
  func trying() throws {
    try withSet([0, 1]) { set in
      let (first, second, again) = (try set.tryAcquire(), try set.tryAcquire(1), try set.tryAcquire(1))
      #expect(!first && second && !again)
      #expect(throws: InterprocessError.self) { try set.tryAcquire(2) }
    }
  }

  @Test("operations happen all at once or not at all")
  func atomicOperations() throws {
    try withSet([1, 0]) { set in
      let both = [
        SystemVSemaphoreSet.Operation(index: 0, change: -1), SystemVSemaphoreSet.Operation(index: 1, change: -1),
      ]
      let first = try set.tryPerform(both)
      let untouched = try set.value(at: 0)
      #expect((first, untouched) == (false, 1))
      let timeout = #expect(throws: InterprocessError.self) { try set.perform(both, timeout: .milliseconds(5)) }
      #expect(timeout?.isTimeout == true)
      try set.release(1)
      try set.perform(both, timeout: generous)
      let values = (try set.value(at: 0), try set.value(at: 1))
      #expect(values == (0, 0))
    }
  }

  @Test("values start as given", arguments: [[0], [32767], [3, 0, 5]] as [[UInt16]])
  func values(values: [UInt16]) throws {
    try withSet(values) { set in
      let found = try values.indices.map { try UInt16(set.value(at: UInt16($0))) }
      #expect(found == values)
    }
  }

  @Test("whoever comes second opens what the first has initialised")
  func creatingIfAbsent() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let first = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [4])
    defer { try? first.remove() }
    let second = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [9])
    let third = try SystemVSemaphoreSet(opening: key)
    let values = (try second.value(), try third.value(), third.count)
    #expect(values == (4, 4, 1))
  }

  @Test("each refusal names its remedy")
  func errors() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let none = #expect(throws: InterprocessError.self) { _ = try SystemVSemaphoreSet(opening: key) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let large = #expect(throws: InterprocessError.self) { _ = try SystemVSemaphoreSet(creating: key, values: [40000]) }
    #expect(large?.remedy == "a semaphore's value may be 0 to 32767")
    let left = #expect(throws: InterprocessError.self) { _ = try SystemVSemaphoreSet(opening: key) }
    #expect(left?.errno == .noSuchFileOrDirectory, "a set whose creation failed is removed")
    try withSet([32767]) { set in
      let over = #expect(throws: InterprocessError.self) { try set.release() }
      #expect(over?.errno == .outOfRange)
      let index = #expect(throws: InterprocessError.self) { try set.acquire(3) }
      #expect(index?.remedy == "the set has no semaphore with this index")
    }
  }

  @Test("Python and Swift wait for each other", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    _ = try PythonPeer.run("sysv-sem-create", "\(key.rawValue)", "0")
    let set = try SystemVSemaphoreSet(opening: key)
    defer { try? set.remove() }
    _ = try PythonPeer.run("sysv-sem-release", "\(key.rawValue)")
    try set.acquire(timeout: generous)
    try set.release()
    _ = try PythonPeer.run("sysv-sem-acquire", "\(key.rawValue)")
    let value = try set.value()
    #expect(value == 0)
  }
}
