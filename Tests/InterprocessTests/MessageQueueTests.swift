import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("POSIXMessageQueue", .blocking, .queues())
struct POSIXMessageQueueTests {
  /// Gives `body` a queue whose name is gone afterwards, whatever happens.
  private func withQueue<Result>(
    messages: Int = 4, size: Int = 32, _ body: (String, borrowing POSIXMessageQueue) throws -> Result
  ) throws -> Result {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: messages, maximumMessageSize: size)
    defer { try? POSIXMessageQueue.unlink(name) }
    return try body(name, queue)
  }

  @Test("messages come by priority, and in order among equals")
  func priority() throws {
    try withQueue { _, queue in
      try queue.send([1], priority: 1)
      try queue.send([2], priority: 5)
      try queue.send([], priority: 5)
      let received = try (0..<3).map { _ in try queue.receive(timeout: generous) }
      #expect(received.map(\.bytes) == [[2], [], [1]])
      #expect(received.map(\.priority) == [5, 5, 1])
    }
  }

  @Test("another opener of the name sees the messages and the limits")
  func opening() throws {
    try withQueue(messages: 3, size: 16) { name, queue in
      let other = try POSIXMessageQueue(opening: name, access: .readOnly)
      let same = try POSIXMessageQueue(creatingIfAbsent: name, maximumMessages: 9)
      try queue.send([7])
      let limits = (other.maximumMessages, other.maximumMessageSize, same.maximumMessages)
      let bytes = try other.receive(timeout: generous).bytes
      #expect(limits == (3, 16, 3))
      #expect(bytes == [7])
      let readOnly = #expect(throws: InterprocessError.self) { try other.send([1]) }
      #expect(readOnly?.remedy == "the queue is closed, or was opened read-only")
    }
  }

  @Test("trying neither waits nor throws")
  func trying() throws {
    try withQueue(messages: 1, size: 8) { _, queue in
      let (first, second) = (try queue.trySend([1].span.bytes), try queue.trySend([2].span.bytes))
      #expect((first, second) == (true, false))
      _ = try queue.receive()
      let nothing = try withOutputSpan(capacity: 8) { try queue.tryReceive(into: &$0) }
      #expect(nothing == nil)
    }
  }

  @Test("sending to a full queue and receiving from an empty one time out")
  func timeouts() throws {
    try withQueue(messages: 1) { _, queue in
      let empty = #expect(throws: InterprocessError.self) { _ = try queue.receive(timeout: .milliseconds(5)) }
      #expect(empty?.isTimeout == true)
      try queue.send([1], timeout: generous)
      let full = #expect(throws: InterprocessError.self) { try queue.send([2], timeout: .milliseconds(5)) }
      #expect(full?.isTimeout == true)
    }
  }

  @Test("each refusal names its remedy")
  func errors() throws {
    try withQueue(size: 8) { name, queue in
      let exists = #expect(throws: InterprocessError.self) { _ = try POSIXMessageQueue(creating: name) }
      #expect(
        exists?.description
          == "mq_open(\"\(name)\"): File exists: this queue exists already; open it, or unlink it first")
      let long = #expect(throws: InterprocessError.self) { try queue.send([UInt8](repeating: 0, count: 9)) }
      #expect(long?.remedy == "the message has 9 bytes, this queue takes 8")
      let priority = #expect(throws: InterprocessError.self) { try queue.send([1], priority: 32768) }
      #expect(priority?.remedy == "priority 32768 is above 32767")
    }
    let many = #expect(throws: InterprocessError.self) {
      _ = try POSIXMessageQueue(creating: Unique.name(), maximumMessages: 1 << 20)
    }
    #expect(many?.remedy?.contains("maximumMessages 1048576 is above fs.mqueue.msg_max (") == true)
    let none = #expect(throws: InterprocessError.self) { _ = try POSIXMessageQueue(opening: Unique.name()) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let unlink = #expect(throws: InterprocessError.self) { try POSIXMessageQueue.unlink(Unique.name()) }
    #expect(unlink?.errno == .noSuchFileOrDirectory)
  }

  @Test("names that the C library would misread are refused", arguments: ["", "/", "jobs", "/a/b", "/a\0b", "//a"])
  func names(name: String) {
    let error = #expect(throws: InterprocessError.self) { _ = try POSIXMessageQueue(creating: name) }
    #expect(error?.errno == .invalidArgument)
    #expect(error?.remedy?.contains("one slash") == true)
  }

  @Test("a buffer that is too small loses no message")
  func smallBuffer() throws {
    try withQueue(size: 8) { _, queue in
      try queue.send([1, 2, 3])
      let error = #expect(throws: InterprocessError.self) {
        _ = try withOutputSpan(capacity: 4) { try queue.receive(into: &$0) }
      }
      #expect(error?.errno == .messageTooLong)
      let bytes = try queue.receive(timeout: generous).bytes
      #expect(bytes == [1, 2, 3])
    }
  }

  @Test(
    "Python receives what Swift sends, and sends back", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    try withQueue(size: 64) { name, queue in
      try queue.send(Array("to Python".utf8), priority: 3)
      #expect(try PythonPeer.run("mq-receive", name) == "3 to Python")
      _ = try PythonPeer.run("mq-send", name, "to Swift", "9")
      let message = try queue.receive(timeout: generous)
      #expect(String(decoding: message.bytes, as: UTF8.self) == "to Swift")
      #expect(message.priority == 9)
    }
  }

  @Test("Swift opens a queue that Python made", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func pythonCreates() throws {
    let name = Unique.name()
    _ = try PythonPeer.run("mq-create", name, "2", "24")
    defer { try? POSIXMessageQueue.unlink(name) }
    let queue = try POSIXMessageQueue(opening: name)
    let limits = (queue.maximumMessages, queue.maximumMessageSize)
    #expect(limits == (2, 24))
  }
}

@Suite("SystemVMessageQueue", .blocking)
struct SystemVMessageQueueTests {
  private func withQueue<Result>(_ body: (borrowing SystemVMessageQueue) throws -> Result) throws -> Result {
    let queue = try SystemVMessageQueue()
    defer { try? queue.remove() }
    return try body(queue)
  }

  @Test("a receiver chooses by type")
  func types() throws {
    try withQueue { queue in
      for type in [5, 3, 9, 3] { try queue.send([UInt8(type)], type: type) }
      let chosen = try [
        queue.receive(.type(9), timeout: generous), queue.receive(.notAbove(4), timeout: generous),
        queue.receive(timeout: generous), queue.receive(.type(3)),
      ]
      #expect(chosen.map(\.type) == [9, 3, 5, 3])
      #expect(chosen.map(\.bytes) == [[9], [3], [5], [3]])
    }
  }

  @Test("waiting for a type that does not come times out, and the others stay")
  func receiveTimeout() throws {
    try withQueue { queue in
      try queue.send([1], type: 1)
      let error = #expect(throws: InterprocessError.self) {
        _ = try queue.receive(.type(2), timeout: .milliseconds(20))
      }
      #expect(error?.isTimeout == true)
      let bytes = try queue.receive(.type(1), timeout: .zero).bytes
      #expect(bytes == [1])
    }
  }

  @Test("sending to a full queue times out")
  func sendTimeout() throws {
    try withQueue { queue in
      let message = [UInt8](repeating: 1, count: 4096)
      while try queue.trySend(message.span.bytes, type: 1) {}
      let error = #expect(throws: InterprocessError.self) {
        try queue.send(message, type: 1, timeout: .milliseconds(20))
      }
      #expect(error?.isTimeout == true)
    }
  }

  @Test("a message longer than a stack buffer arrives whole")
  func longMessage() throws {
    try withQueue { queue in
      let message = (0..<8192).map { UInt8(truncatingIfNeeded: $0) }
      try queue.send(message, type: 4)
      let bytes = try queue.receive(timeout: generous).bytes
      #expect(bytes == message)
    }
  }

  @Test("a key names the same queue in every opener, and removal is for all")
  func keys() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let queue = try SystemVMessageQueue(creating: key)
    let exists = #expect(throws: InterprocessError.self) { _ = try SystemVMessageQueue(creating: key) }
    #expect(exists?.description.hasPrefix("msgget(key \(key)): File exists: this queue exists already") == true)
    let same = try SystemVMessageQueue(creatingIfAbsent: key)
    let ids = (queue.id, same.id)
    #expect(ids.0 == ids.1)
    try same.remove()
    let gone = #expect(throws: InterprocessError.self) { try queue.send([1], type: 1) }
    #expect(gone?.remedy == "there is no such queue any more")
    let none = #expect(throws: InterprocessError.self) { _ = try SystemVMessageQueue(opening: key) }
    #expect(none?.errno == .noSuchFileOrDirectory)
  }

  @Test("a waiting receiver learns that the queue was removed")
  func removedMeanwhile() throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    let waiting = Background { try SystemVMessageQueue(id: id).receive(timeout: generous).type }
    usleep(50_000)
    try queue.remove()
    let error = #expect(throws: InterprocessError.self) { try waiting.value() }
    #expect(error?.errno == .identifierRemoved)
  }

  @Test("keys are 32 bits and not 0, and bad types are refused")
  func checks() throws {
    #expect(SystemVKey(rawValue: 0) == nil)
    #expect(SystemVKey(exactly: 1 << 32) == nil)
    #expect(SystemVKey(exactly: 0) == nil)
    #expect(SystemVKey(exactly: 0xFFFF_FFFF)?.rawValue == -1)
    #expect(SystemVKey(exactly: 0x1234)?.description == "0x00001234")
    #expect(throws: InterprocessError.self) { _ = try SystemVKey(file: "/nowhere", project: 1) }
    #expect(throws: InterprocessError.self) { _ = try SystemVKey(file: "/etc", project: 0) }
    #expect(try SystemVKey(file: "/etc", project: 1) == SystemVKey(file: "/etc", project: 1))
    try withQueue { queue in
      let type = #expect(throws: InterprocessError.self) { try queue.send([1], type: 0) }
      #expect(type?.remedy == "type 0 is not a positive number")
      let long = #expect(throws: InterprocessError.self) {
        try queue.send([UInt8](repeating: 0, count: 1 << 20), type: 1)
      }
      #expect(long?.remedy?.contains("above kernel.msgmax") == true)
      let selection = #expect(throws: InterprocessError.self) { _ = try queue.receive(.type(-1)) }
      #expect(selection?.errno == .invalidArgument)
    }
  }

  @Test("Python and Swift send each other messages", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    _ = try PythonPeer.run("sysv-mq-create", "\(key.rawValue)")
    let queue = try SystemVMessageQueue(opening: key)
    defer { try? queue.remove() }
    try queue.send(Array("to Python".utf8), type: 4)
    #expect(try PythonPeer.run("sysv-mq-receive", "\(key.rawValue)", "4") == "4 to Python")
    _ = try PythonPeer.run("sysv-mq-send", "\(key.rawValue)", "to Swift", "6")
    let message = try queue.receive(.type(6), timeout: generous)
    #expect(String(decoding: message.bytes, as: UTF8.self) == "to Swift")
  }
}
