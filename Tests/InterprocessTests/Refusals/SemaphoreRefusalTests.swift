import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals of semaphores and locks", .blocking)
struct SemaphoreRefusalTests {
  @Test("POSIX semaphores, with a name and without")
  func posix() throws {
    let name = Unique.name()
    let absent = Unique.name()
    let semaphore = try POSIXSemaphore(creating: name, value: 0)
    defer { try? POSIXSemaphore.unlink(name) }
    expectRefusal("sem_open", .fileExists, "this semaphore exists already") {
      _ = try POSIXSemaphore(creating: name, value: 0)
    }
    expectRefusal("sem_open", .noSuchFileOrDirectory, "there is no such semaphore") {
      _ = try POSIXSemaphore(opening: absent)
    }
    expectRefusal("sem_unlink", .noSuchFileOrDirectory, "there is no such semaphore") {
      try POSIXSemaphore.unlink(absent)
    }
    expectRefusal("sem_open", .invalidArgument, "value 2147483648 is above 2147483647") {
      _ = try POSIXSemaphore(creating: absent, value: 1 << 31)
    }
    expectRefusal("sem_wait", .timedOut, nil) { try semaphore.acquire(timeout: .milliseconds(5)) }

    let overflow = "its value is 2147483647 already; somebody releases what was not acquired"
    let full = try POSIXSemaphore(creating: absent, value: UInt32(Int32.max))
    try POSIXSemaphore.unlink(absent)
    expectRefusal("sem_post", .overflow, overflow) { try full.release() }

    let memory = try AnonymousMemory(byteCount: 128)
    let unnamed = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: UInt32(Int32.max))
    expectRefusal("sem_post", .overflow, overflow) { try unnamed.release() }
    expectRefusal("sem_init", .invalidArgument, "value 2147483648 is above 2147483647") {
      _ = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 1 << 31)
    }
    expectRefusal("UnnamedSemaphore", .invalidArgument, "there is no UnnamedSemaphore here") {
      _ = try UnnamedSemaphore(openingIn: memory.mapping, at: 64)
    }
    let empty = try UnnamedSemaphore(creatingIn: memory.mapping, at: 64, value: 0)
    expectRefusal("sem_wait", .timedOut, nil) { try empty.acquire(timeout: .milliseconds(5)) }
  }

  @Test("System V semaphore sets")
  func systemV() throws {
    let key = try #require(SystemVKey(exactly: Unique.key()))
    let absent = try #require(SystemVKey(exactly: Unique.key()))
    let set = try SystemVSemaphoreSet(creating: key, values: [0, 32767])
    defer { try? set.remove() }
    expectRefusal("semget", .invalidArgument, "3 semaphores are more than the set has") {
      _ = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [1, 1, 1])
    }
    expectRefusal("semget", .fileExists, "this semaphore set exists already") {
      _ = try SystemVSemaphoreSet(creating: key, values: [0])
    }
    expectRefusal("semget", .noSuchFileOrDirectory, "there is no such semaphore set") {
      _ = try SystemVSemaphoreSet(opening: absent)
    }
    expectRefusal("semget", .invalidArgument, "3 semaphores are more than the set has, or than kernel.sem allows") {
      _ = try SystemVSemaphoreSet(opening: key, count: 3)
    }
    expectRefusal("semget", .invalidArgument, "a set has at least 1 semaphore") {
      _ = try SystemVSemaphoreSet(values: [])
    }
    let range = "a semaphore's value may be 0 to 32767"
    expectRefusal("semctl", .outOfRange, range) { _ = try SystemVSemaphoreSet(values: [32768]) }
    expectRefusal("semctl", .outOfRange, range) { try set.setValue(32768) }
    expectRefusal("semctl", .outOfRange, range) { try set.setValues([0, 65535]) }
    expectRefusal("semctl", .invalidArgument, "1 values for 2 semaphores") { try set.setValues([0]) }
    expectRefusal("semop", .outOfRange, range) { try set.release(1) }
    expectRefusal("semop", .fileTooLarge, "the set has no semaphore with this index") { try set.acquire(2) }
    expectRefusal("semop", .argListTooLong, "more operations at once than kernel.sem allows") {
      try set.perform(Array(repeating: SystemVSemaphoreSet.Operation(change: 0), count: 100_000))
    }
    expectRefusal("semop", .timedOut, nil) { try set.acquire(timeout: .milliseconds(5)) }
    let numbering = "the set has 2 semaphores, numbered from 0"
    expectRefusal("semctl", .invalidArgument, numbering) { _ = try set.value(at: 2) }
    expectRefusal("semctl", .invalidArgument, numbering) { try set.setValue(0, at: 2) }
    expectRefusal("semctl", .invalidArgument, numbering) { _ = try set.waitingForIncrease(at: 2) }
    expectRefusal("semctl", .invalidArgument, numbering) { _ = try set.waitingForZero(at: 2) }
    expectRefusal("semctl", .invalidArgument, numbering) { _ = try set.lastProcessID(at: 2) }
  }

  @Test("whoever waits for a System V semaphore learns that the set was removed, and so does who comes later")
  func removed() throws {
    let key = try #require(SystemVKey(exactly: Unique.key()))
    let set = try SystemVSemaphoreSet(creating: key, values: [0])
    let waiting = Background { () -> String in
      do { return "\(try SystemVSemaphoreSet(opening: key).acquire())" } catch { return "\(error)" }
    }
    usleep(50_000)
    try set.remove()
    let message = try waiting.value(timeout: generous)
    #expect(message.hasSuffix("Identifier removed: the set was removed"), "\(message)")
    let remedy = "there is no such set any more"
    expectRefusal("semop", .invalidArgument, remedy) { try set.acquire() }
    expectRefusal("semctl", .invalidArgument, remedy) { _ = try set.value() }
    expectRefusal("semctl", .invalidArgument, remedy) { _ = try set.status() }
    expectRefusal("semctl", .invalidArgument, remedy) { try set.remove() }
  }

  @Test("locks in shared memory")
  func shared() throws {
    let memory = try AnonymousMemory(byteCount: 192)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
    for offset in [-64, 8, 192] {
      let remedy = "offsets are multiples of 64, with 64 bytes left of the 192"
      expectRefusal("SharedMutex", .invalidArgument, remedy) {
        _ = try SharedMutex(creatingIn: memory.mapping, at: offset)
      }
      expectRefusal("SharedCondition", .invalidArgument, remedy) {
        _ = try SharedCondition(openingIn: memory.mapping, at: offset)
      }
    }
    expectRefusal("SharedMutex", .invalidArgument, "there is no SharedMutex here; its creator has to come first") {
      _ = try SharedMutex(openingIn: memory.mapping, at: 64)
    }
    expectRefusal("SharedCondition", .invalidArgument, "there is no SharedCondition here") {
      _ = try SharedCondition(openingIn: memory.mapping, at: 0)
    }
    try mutex.withLock { _ in
      expectRefusal("pthread_mutex_lock", .deadlock, "this thread holds the lock already") {
        try mutex.withLock { _ in }
      }
      let other = Background { () -> String in
        do { return "\(try mutex.withLock(timeout: .milliseconds(5)) { _ in })" } catch { return "\(error)" }
      }
      let message = try other.value(timeout: generous)
      #expect(message.hasSuffix("Connection timed out"), "\(message)")
    }
    expectRefusal("futex", .timedOut, nil) {
      try mutex.withLock { lock in try condition.wait(with: &lock, timeout: .milliseconds(5)) { true } }
    }
  }

  @Test("event counters")
  func counters() throws {
    let counter = try EventCounter()
    expectRefusal("write", .invalidArgument, "a counter goes up to 2^64 - 2") { try counter.add(.max) }
    expectRefusal("read", .timedOut, nil) { _ = try counter.take(timeout: .milliseconds(5)) }
    expectRefusal("poll", .timedOut, nil) { try counter.wait(timeout: .milliseconds(5)) }
    try counter.add(.max - 1)
    expectRefusal("write", .timedOut, nil) { try counter.add(1, timeout: .milliseconds(5)) }
  }
}
