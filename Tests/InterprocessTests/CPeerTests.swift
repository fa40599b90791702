import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Queues and semaphores with a program in C at the other end, which uses the system's headers and nothing of ours.
@Suite("C at the other end", .blocking, .queues(), .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
struct CPeerTests {
  @Test("C and Swift exchange messages over a POSIX queue, whoever made it")
  func posixQueue() throws {
    let peer = try CPeer.queues.get()
    let name = Unique.name()
    defer { try? POSIXMessageQueue.unlink(name) }
    try peer.run("posix-create", name, "3", "64")
    let queue = try POSIXMessageQueue(opening: name)
    let limits = (queue.maximumMessages, queue.maximumMessageSize)
    #expect(limits == (3, 64))
    try peer.run("posix-send", name, "from C", "5")
    let message = try queue.receive(timeout: generous)
    #expect((message.priority, message.bytes) == (5, Array("from C".utf8)))
    try queue.send(Array("low".utf8), priority: 1)
    try queue.send(Array("from Swift".utf8), priority: 31)
    #expect(try peer.run("posix-receive", name) == "31 from Swift")
    #expect(try peer.run("posix-receive", name) == "1 low")
  }

  @Test("C waits for a message that Swift sends, and Swift for one that C sends")
  func waiting() throws {
    let peer = try CPeer.queues.get()
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 64)
    defer { try? POSIXMessageQueue.unlink(name) }
    let receiving = Background { try peer.run("posix-receive", name) }
    try queue.send(Array("first".utf8), timeout: generous)
    #expect(try receiving.value() == "0 first")
    let sending = Background { try peer.run("posix-send", name, "second", "0") }
    let message = try queue.receive(timeout: generous)
    _ = try sending.value()
    #expect(message.bytes == Array("second".utf8))
  }

  @Test("C and Swift exchange messages over a System V queue, by type, whoever made it")
  func systemVQueue() throws {
    let peer = try CPeer.queues.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    try peer.run("system-v-create", "\(key.rawValue)")
    let queue = try SystemVMessageQueue(opening: key)
    defer { try? queue.remove() }
    try peer.run("system-v-send", "\(key.rawValue)", "three", "3")
    try peer.run("system-v-send", "\(key.rawValue)", "two", "2")
    let lowest = try queue.receive(.notAbove(5), timeout: generous)
    let other = try queue.receive(.type(3), timeout: generous)
    #expect((lowest.type, lowest.bytes) == (2, Array("two".utf8)))
    #expect((other.type, other.bytes) == (3, Array("three".utf8)))
    try queue.send(Array("ignored".utf8), type: 8)
    try queue.send(Array("from Swift".utf8), type: 9)
    #expect(try peer.run("system-v-receive", "\(key.rawValue)", "9") == "9 from Swift")
    let receiving = Background { try peer.run("system-v-receive", "\(key.rawValue)", "4") }
    try queue.send(Array("awaited".utf8), type: 4)
    #expect(try receiving.value() == "4 awaited")
  }

  @Test("C and Swift wait for each other at a named semaphore, whoever made it")
  func posixSemaphore() throws {
    let peer = try CPeer.semaphores.get()
    let name = Unique.name()
    defer { try? POSIXSemaphore.unlink(name) }
    try peer.run("posix-create", name, "2")
    let semaphore = try POSIXSemaphore(opening: name)
    try semaphore.acquire(timeout: generous)
    try peer.run("posix-acquire", name)
    let taken = try semaphore.value
    #expect(taken == 0)
    try peer.run("posix-post", name)
    try semaphore.acquire(timeout: generous)
    let acquiring = Background { try peer.run("posix-acquire", name) }
    try semaphore.release()
    _ = try acquiring.value()
    let value = try semaphore.value
    #expect(value == 0)
  }

  @Test("C and Swift wait for each other at a System V semaphore, whoever made it")
  func systemVSemaphore() throws {
    let peer = try CPeer.semaphores.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    try peer.run("system-v-create", "\(key.rawValue)", "3")
    let set = try SystemVSemaphoreSet(opening: key)
    defer { try? set.remove() }
    try set.perform([SystemVSemaphoreSet.Operation(change: -2)], timeout: generous)
    try peer.run("system-v-change", "\(key.rawValue)", "-1")
    let taken = try set.value()
    #expect(taken == 0)
    let acquiring = Background { try peer.run("system-v-change", "\(key.rawValue)", "-4") }
    try set.perform([SystemVSemaphoreSet.Operation(change: 4)])
    _ = try acquiring.value()
    try peer.run("system-v-change", "\(key.rawValue)", "1")
    try set.acquire(timeout: generous)
    let value = try set.value()
    #expect(value == 0)
  }

  @Test("Swift tasks are woken by C")
  func tasks() async throws {
    let peer = try CPeer.semaphores.get()
    let name = Unique.name()
    defer { try? POSIXSemaphore.unlink(name) }
    let semaphore = try POSIXSemaphore(creating: name, value: 0)
    let posting = Background { try peer.run("posix-post", name) }
    try await semaphore.acquire(timeout: generous)
    _ = try posting.value()
  }
}
