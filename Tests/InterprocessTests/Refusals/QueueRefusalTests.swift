import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals of queues", .blocking, .queues(2))
struct QueueRefusalTests {
  @Test("POSIX message queues")
  func posix() throws {
    let name = Unique.name()
    let absent = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 8)
    defer { try? POSIXMessageQueue.unlink(name) }
    let reader = try POSIXMessageQueue(opening: name, access: .readOnly)
    let writer = try POSIXMessageQueue(opening: name, access: .writeOnly)

    expectRefusal("mq_open", .fileExists, "this queue exists already; open it, or unlink it first") {
      _ = try POSIXMessageQueue(creating: name)
    }
    expectRefusal("mq_open", .noSuchFileOrDirectory, "there is no such queue; its creator has to come first") {
      _ = try POSIXMessageQueue(opening: absent)
    }
    expectRefusal("mq_unlink", .noSuchFileOrDirectory, "there is no such queue") {
      try POSIXMessageQueue.unlink(absent)
    }
    expectRefusal("mq_open", .invalidArgument, "maximumMessages 0 has to be positive") {
      _ = try POSIXMessageQueue(creating: absent, maximumMessages: 0)
    }
    expectRefusal("mq_open", .invalidArgument, "maximumMessageSize -1 has to be positive") {
      _ = try POSIXMessageQueue(creating: absent, maximumMessageSize: -1)
    }
    expectRefusal("mq_open", .invalidArgument, "maximumMessageSize 1073741824 is above fs.mqueue.msgsize_max (") {
      _ = try POSIXMessageQueue(creating: absent, maximumMessageSize: 1 << 30)
    }
    expectRefusal("mq_send", .messageTooLong, "the message has 9 bytes, this queue takes 8") {
      try queue.send([UInt8](repeating: 0, count: 9))
    }
    expectRefusal("mq_send", .invalidArgument, "priority 32768 is above 32767") {
      try queue.send([], priority: 32768, timeout: .zero)
    }
    expectRefusal("mq_send", .badFileDescriptor, "the queue is closed, or was opened read-only") {
      try reader.send([])
    }
    expectRefusal("mq_receive", .badFileDescriptor, "the queue is closed, or was opened write-only") {
      _ = try writer.receive()
    }
    expectRefusal("mq_receive", .timedOut, nil) { _ = try queue.receive(timeout: .milliseconds(5)) }
    try queue.send([1])
    expectRefusal("mq_send", .timedOut, "the queue is full") { try queue.send([1], timeout: .milliseconds(5)) }
    expectRefusal("mq_receive", .messageTooLong, "the buffer needs room for maximumMessageSize (8) bytes") {
      try withOutputSpan(capacity: 7) { buffer in _ = try queue.receive(into: &buffer) }
    }
    expectRefusal("sigaction", .invalidArgument, nil) { _ = try queue.notifications(by: .signal(SIGKILL)) }
  }

  @Test("a closed POSIX message queue refuses everything")
  func closed() throws {
    let name = Unique.name()
    var queue = try POSIXMessageQueue(creating: name)
    try POSIXMessageQueue.unlink(name)
    try queue.close()
    expectRefusal("mq_send", .badFileDescriptor, "the queue is closed") { try queue.send([]) }
    expectRefusal("mq_receive", .badFileDescriptor, "the queue is closed") { _ = try queue.tryReceive() }
    expectRefusal("mq_getattr", .badFileDescriptor, nil) { _ = try queue.currentMessages }
    expectRefusal("mq_setattr", .badFileDescriptor, nil) { try queue.setNonBlocking(true) }
    expectRefusal("fcntl", .badFileDescriptor, nil) { _ = try queue.notifications() }
  }

  @Test(
    "names are one slash and at most 255 bytes, 251 for semaphores",
    arguments: [String(repeating: "x", count: 251), "/" + String(repeating: "x", count: 256), "", "/a/b", "/.."])
  func names(name: String) throws {
    let remedy = "a name is one slash and 1 to 255 bytes without a slash"
    let shorter = "a name is one slash and 1 to 251 bytes without a slash"
    expectRefusal("mq_open", .invalidArgument, remedy) { _ = try POSIXMessageQueue(creating: name) }
    expectRefusal("mq_unlink", .invalidArgument, remedy) { try POSIXMessageQueue.unlink(name) }
    expectRefusal("sem_open", .invalidArgument, shorter) { _ = try POSIXSemaphore(creating: name, value: 0) }
    expectRefusal("sem_unlink", .invalidArgument, shorter) { try POSIXSemaphore.unlink(name) }
    expectRefusal("shm_open", .invalidArgument, remedy) { _ = try POSIXSharedMemory(creating: name, byteCount: 1) }
    expectRefusal("shm_unlink", .invalidArgument, remedy) { try POSIXSharedMemory.unlink(name) }
  }

  @Test("the longest name works for each kind that has them")
  func longestName() throws {
    let name = Unique.name()
    let longest = name + String(repeating: "x", count: 256 - name.utf8.count)
    _ = try POSIXMessageQueue(creating: longest)
    try POSIXMessageQueue.unlink(longest)
    let ofSemaphore = String(longest.prefix(252))
    _ = try POSIXSemaphore(creating: ofSemaphore, value: 0)
    try POSIXSemaphore.unlink(ofSemaphore)
    expectRefusal("sem_open", .invalidArgument, "1 to 251 bytes") {
      _ = try POSIXSemaphore(creating: ofSemaphore + "x", value: 0)
    }
    _ = try POSIXSharedMemory(creating: longest, byteCount: 1)
    try POSIXSharedMemory.unlink(longest)
  }

  @Test("System V message queues")
  func systemV() throws {
    let key = try #require(SystemVKey(exactly: Unique.key()))
    let absent = try #require(SystemVKey(exactly: Unique.key()))
    let queue = try SystemVMessageQueue(creating: key)
    defer { try? queue.remove() }

    expectRefusal("msgget", .fileExists, "this queue exists already") { _ = try SystemVMessageQueue(creating: key) }
    expectRefusal("msgget", .noSuchFileOrDirectory, "there is no such queue") {
      _ = try SystemVMessageQueue(opening: absent)
    }
    expectRefusal("msgsnd", .invalidArgument, "type 0 is not a positive number") { try queue.send([], type: 0) }
    expectRefusal("msgsnd", .invalidArgument, "above kernel.msgmax (") {
      try queue.send([UInt8](repeating: 0, count: 1 << 20), type: 1)
    }
    for selection in [SystemVMessageQueue.Selection.type(0), .notAbove(-1), .except(0)] {
      expectRefusal("msgrcv", .invalidArgument, "types are positive numbers") { _ = try queue.receive(selection) }
    }
    expectRefusal("msgrcv", .timedOut, nil) { _ = try queue.receive(timeout: .milliseconds(5)) }
    try queue.send([1, 2], type: 1)
    expectRefusal("msgrcv", .argListTooLong, "the next message is larger than the buffer's 1 bytes") {
      try withOutputSpan(capacity: 1) { buffer in _ = try queue.receive(into: &buffer) }
    }
    try queue.setMaximumBytes(2)
    expectRefusal("msgsnd", .timedOut, nil) { try queue.send([1], type: 1, timeout: .milliseconds(5)) }
    expectRefusal("msgctl", .invalidArgument, "-1 bytes; ask for 0 or more") { try queue.setMaximumBytes(-1) }
  }

  @Test("whoever waits on a System V queue learns that it was removed, and so does who comes later")
  func removed() throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    try queue.setMaximumBytes(1)
    try queue.send([1], type: 1)
    let receiver = Background { () -> String in
      do { return "\(try SystemVMessageQueue(id: id).receive(.type(2)))" } catch { return "\(error)" }
    }
    let sender = Background { () -> String in
      do { return "\(try SystemVMessageQueue(id: id).send([1], type: 1))" } catch { return "\(error)" }
    }
    usleep(50_000)
    try queue.remove()
    for waiting in [receiver, sender] {
      let message = try waiting.value(timeout: generous)
      #expect(message.hasSuffix("Identifier removed: the queue was removed"), "\(message)")
    }
    let remedy = "there is no such queue any more"
    expectRefusal("msgsnd", .invalidArgument, remedy) { try queue.send([], type: 1) }
    expectRefusal("msgrcv", .invalidArgument, remedy) { _ = try queue.tryReceive() }
    expectRefusal("msgctl", .invalidArgument, remedy) { _ = try queue.status() }
    expectRefusal("msgctl", .invalidArgument, remedy) { try queue.remove() }
    expectRefusal("msgctl", .invalidArgument, remedy) { try SystemVMessageQueue.remove(id: id) }
  }

  @Test("keys made from files")
  func keys() throws {
    expectRefusal("ftok", .noSuchFileOrDirectory, "there is no such file") {
      _ = try SystemVKey(file: "/nowhere", project: 1)
    }
    expectRefusal("ftok", .invalidArgument, "the project number has to be 1 to 255") {
      _ = try SystemVKey(file: "/etc", project: 0)
    }
  }
}
