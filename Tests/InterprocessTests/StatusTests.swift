import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("What the kernel keeps about queues and sets", .blocking, .queues())
struct StatusTests {
  @Test("a POSIX queue tells its messages and whether it waits")
  func posixQueue() throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 2, maximumMessageSize: 8)
    defer { try? POSIXMessageQueue.unlink(name) }
    try queue.send([1])
    let before = (try queue.currentMessages, try queue.isNonBlocking)
    try queue.setNonBlocking(true)
    _ = try queue.receive()
    let after = (try queue.currentMessages, try queue.isNonBlocking)
    #expect(before == (1, false))
    #expect(after == (0, true))
    let error = #expect(throws: InterprocessError.self) { _ = try queue.receive() }
    #expect(error?.errno == .wouldBlock)
    #expect(POSIXMessageQueue.defaultLimits.maximumMessages > 0)
  }

  @Test("a System V queue tells who did what, and how much may wait")
  func systemVQueue() throws {
    let queue = try SystemVMessageQueue(permissions: [.ownerReadWrite, .groupRead])
    defer { try? queue.remove() }
    let fresh = try queue.status()
    #expect(fresh.permissions.owner == getuid() && fresh.permissions.creator == getuid())
    #expect(fresh.permissions.mode == [.ownerReadWrite, .groupRead] && fresh.permissions.key == nil)
    #expect(fresh.lastSenderID == nil && fresh.lastSent == nil && fresh.lastReceiverID == nil)
    try queue.send([1, 2, 3], type: 1)
    let sent = try queue.status()
    #expect(sent.messages == 1 && sent.bytes == 3 && sent.lastSenderID == getpid())
    _ = try queue.receive()
    #expect(try queue.status().lastReceiverID == getpid())

    var permissions = sent.permissions
    permissions.mode = .ownerReadWrite
    try queue.setPermissions(permissions)
    try queue.setMaximumBytes(100)
    let changed = try queue.status()
    #expect(changed.permissions.mode == .ownerReadWrite && changed.maximumBytes == 100)
    let full = [UInt8](repeating: 0, count: 60)
    let fits = (try queue.trySend(full.span.bytes, type: 1), try queue.trySend(full.span.bytes, type: 1))
    #expect(fits == (true, false))
  }

  @Test("a receiver takes any type but one, and cuts what does not fit, if asked to")
  func exceptAndTruncating() throws {
    let queue = try SystemVMessageQueue()
    defer { try? queue.remove() }
    try queue.send([1], type: 1)
    try queue.send([2, 3, 4], type: 2)
    let except = try queue.tryReceive(.except(1))?.type
    let none = try queue.tryReceive(.except(1))
    #expect(except == 2 && none == nil)
    try queue.send([5, 6, 7], type: 2)
    let tooSmall = #expect(throws: InterprocessError.self) {
      _ = try withOutputSpan(capacity: 2) { try queue.receive(.type(2), into: &$0) }
    }
    #expect(tooSmall?.errno == .argListTooLong)
    let (type, count) = try withOutputSpan(capacity: 2) { span in
      (try queue.receive(.type(2), into: &span, truncating: true), span.byteCount)
    }
    #expect(type == 2 && count == 2)
  }

  @Test("a semaphore set tells its values, its waiters and who was last")
  func semaphoreSet() throws {
    let set = try SystemVSemaphoreSet(values: [3, 0])
    let key = set.id
    defer { try? set.remove() }
    #expect(try set.values == [3, 0])
    #expect(try set.status().count == 2 && set.status().lastOperation != nil)
    try set.setValue(7, at: 1)
    try set.setValues([0, 2])
    #expect(try set.values == [0, 2])
    #expect(try set.lastProcessID() == getpid())
    let index = #expect(throws: InterprocessError.self) { _ = try set.value(at: 2) }
    #expect(index?.remedy == "the set has 2 semaphores, numbered from 0")
    #expect(throws: InterprocessError.self) { try set.setValues([1]) }
    var permissions = try set.status().permissions
    permissions.mode = [.ownerReadWrite, .otherRead]
    try set.setPermissions(permissions)
    #expect(try set.status().permissions.mode == [.ownerReadWrite, .otherRead])
    _ = key
  }

  @Test("those who wait are counted, and wait for zero")
  func waiters() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let set = try SystemVSemaphoreSet(creating: key, values: [1])
    defer { try? set.remove() }
    let zero = Background {
      try SystemVSemaphoreSet(opening: key).perform([.init(change: 0)], timeout: generous)
    }
    let more = Background {
      try SystemVSemaphoreSet(opening: key).perform([.init(change: -2)], timeout: generous)
    }
    for _ in 0..<5000 {
      if try set.waitingForZero() == 1, try set.waitingForIncrease() == 1 { break }
      usleep(1000)
    }
    let waiting = (try set.waitingForZero(), try set.waitingForIncrease())
    #expect(waiting == (1, 1))
    try set.release()
    try more.value()
    try zero.value()
  }

  @Test("an object is removed by its number alone")
  func removeByNumber() throws {
    let queue = try SystemVMessageQueue()
    let set = try SystemVSemaphoreSet(values: [0])
    try SystemVMessageQueue.remove(id: queue.id)
    try SystemVSemaphoreSet.remove(id: set.id)
    #expect(throws: InterprocessError.self) { _ = try queue.status() }
    #expect(throws: InterprocessError.self) { _ = try set.status() }
  }
}
