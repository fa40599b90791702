import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Who initialises a set that several processes open, and what becomes of it when that one dies.
@Suite("Creating a SystemVSemaphoreSet", .timeLimit(.minutes(5)))
struct SemaphoreSetCreationTests {
  @Test("eight that come at once all find the values of the one that was first", .blocking)
  func atOnce() throws {
    for _ in 0..<20 {
      let key = try #require(SystemVKey(rawValue: Unique.key()))
      let openers = (0..<8).map { _ in
        Background {
          let set = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [4, 5])
          return [try set.value(at: 0), try set.value(at: 1)]
        }
      }
      let values = openers.map { opener in Result { try opener.value() } }
      try? SystemVSemaphoreSet(opening: key).remove()
      for value in values { #expect(try value.get() == [4, 5]) }
    }
  }

  @Test("one that works with a set as soon as it is there does not undo its creation", .blocking)
  func hasty() throws {
    for round in 0..<1000 {
      let key = try #require(SystemVKey(rawValue: Unique.key()))
      let deadline = ContinuousClock.now + generous
      let isLooking = Looking()
      let hasty = Background {
        while ContinuousClock.now < deadline {
          let id = semget(key.rawValue, 1, 0)
          isLooking.flag.store(true, ordering: .relaxed)
          if id == -1 { continue }
          return try SystemVSemaphoreSet(id: id).acquire(timeout: generous)
        }
      }
      while !isLooking.flag.load(ordering: .relaxed) {}
      let set = try SystemVSemaphoreSet(creating: key, values: [1])
      let result = Result { try hasty.value() }
      let value = Result { try set.value() }
      try? set.remove()
      #expect(throws: Never.self, "round \(round)") { try result.get() }
      #expect(try value.get() == 0, "round \(round)")
    }
  }

  private final class Looking: Sendable { let flag = Atomic(false) }

  @Test("permissions ask for nothing else, whatever else a mode may have")
  func modes() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    // What a file of a set group and with a sticky bit has.
    let mode = FilePermissions(rawValue: 0o3600)
    let first = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [1], permissions: mode)
    defer { try? first.remove() }
    let second = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [1], permissions: mode)
    #expect(first.id == second.id)
    #expect(try first.status().permissions.mode == [.ownerReadWrite])
  }

  @Test(
    "whoever comes while C initialises the set waits until it is done", .blocking,
    .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func slowCreator() throws {
    let peer = try CPeer.semaphores.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let creating = Background { try peer.run("system-v-create-slowly", "\(key.rawValue)", "7") }
    let deadline = ContinuousClock.now + generous
    while (try? SystemVSemaphoreSet(opening: key)) == nil, ContinuousClock.now < deadline { usleep(100) }
    let set = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [1])
    defer { try? set.remove() }
    let value = try set.value()
    #expect(value == 7)
    _ = try creating.value()
  }

  @Test(
    "a creator that died before it had set values is an error that says how to go on",
    .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func deadCreator() async throws {
    let peer = try CPeer.semaphores.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    try peer.run("system-v-create-only", "\(key.rawValue)")
    let id = try SystemVSemaphoreSet(opening: key).id
    defer { try? SystemVSemaphoreSet.remove(id: id) }
    let error = await #expect(throws: InterprocessError.self) {
      _ = try await SystemVSemaphoreSet(creatingIfAbsent: key, values: [1, 1])
    }
    #expect(error?.errno == .resourceBusy)
    #expect(error?.remedy?.contains("ipcrm -s \(id)") == true, "\(String(describing: error))")
    let blocking = Background { _ = try SystemVSemaphoreSet(creatingIfAbsent: key, values: [1, 1]) }
    #expect(throws: InterprocessError.self) { try blocking.value() }
    // As the error says.
    try SystemVSemaphoreSet.remove(id: id)
    let set = try await SystemVSemaphoreSet(creatingIfAbsent: key, values: [1, 1])
    let value = try set.value(at: 1)
    try set.remove()
    #expect(value == 1)
  }

  @Test("a creator that has set values, and knows no operation at the end, is believed")
  func otherCustom() async throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let id = semget(key.rawValue, 1, IPC_CREAT | IPC_EXCL | 0o600)
    defer { try? SystemVSemaphoreSet.remove(id: id) }
    try SystemVSemaphoreSet(id: id).setValue(0, at: 0)
    let set = try await SystemVSemaphoreSet(creatingIfAbsent: key, values: [1])
    let value = try set.value()
    #expect(value == 0)
  }

  @Test("a suspended opening is cancelled", .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func cancelled() async throws {
    let peer = try CPeer.semaphores.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    try peer.run("system-v-create-only", "\(key.rawValue)")
    defer { try? SystemVSemaphoreSet(opening: key).remove() }
    let opening = Task { _ = try await SystemVSemaphoreSet(creatingIfAbsent: key, values: [1]) }
    try await Task.sleep(for: .milliseconds(20))
    opening.cancel()
    await #expect(throws: CancellationError.self) { try await opening.value }
  }

  @Test("a set is opened by its number, and one that is gone is an error")
  func byNumber() throws {
    let set = try SystemVSemaphoreSet(values: [1, 2, 3])
    let id = set.id
    let other = try SystemVSemaphoreSet(id: id)
    let (count, value) = (other.count, try other.value(at: 2))
    #expect((count, value) == (3, 3))
    try set.remove()
    let gone = #expect(throws: InterprocessError.self) { _ = try SystemVSemaphoreSet(id: id) }
    #expect(gone?.call == "semctl" && gone?.object == "id \(id)")
  }
}

/// Suspended waits for a set; the cancelled ones take nothing.
@Suite("SystemVSemaphoreSet, from tasks", .timeLimit(.minutes(5)))
struct AsyncSemaphoreSetTests {
  @Test("a task that is cancelled before or while it waits takes nothing")
  func cancelled() async throws {
    let set = try SystemVSemaphoreSet(values: [0])
    let id = set.id
    defer { try? set.remove() }
    let waiting = Task { try await SystemVSemaphoreSet(id: id).acquire() }
    let deadline = ContinuousClock.now + generous
    while try set.waitingForIncrease(at: 0) == 0, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(1))
    }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    try set.release()
    let before = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await SystemVSemaphoreSet(id: id).acquire()
    }
    await #expect(throws: CancellationError.self) { try await before.value }
    let value = try set.value()
    #expect(value == 1)
  }

  @Test("no operations are refused as such, in each form")
  func none() async throws {
    let set = try SystemVSemaphoreSet(values: [0])
    defer { try? set.remove() }
    let remedy = "there are no operations to perform"
    expectRefusal("semop", .invalidArgument, remedy) { try set.perform([]) }
    expectRefusal("semop", .invalidArgument, remedy) { _ = try set.tryPerform([]) }
    let suspended = await #expect(throws: InterprocessError.self) { try await set.perform([]) }
    #expect(suspended?.remedy == remedy)
  }
}
