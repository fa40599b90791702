import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Waiting without a thread of Swift's pool: the pool has as many as there are cores, so a few blocked ones stop it.
@Suite("Async forms", .queues(), .timeLimit(.minutes(5)))
struct AsyncTests {
  @Test("64 receivers wait, other tasks run, and cancelling ends the wait without traffic")
  func manyReceivers() async throws {
    let name = Unique.name()
    let posix = try POSIXMessageQueue(creating: name, maximumMessages: 2, maximumMessageSize: 16)
    let systemV = try SystemVMessageQueue()
    let id = systemV.id
    defer {
      try? POSIXMessageQueue.unlink(name)
      try? systemV.remove()
    }
    let receivers = (0..<64).map { number in
      Task {
        if number.isMultiple(of: 2) {
          _ = try await SystemVMessageQueue(id: id).receive()
        } else {
          _ = try await POSIXMessageQueue(opening: name).receive()
        }
      }
    }
    let others = await withTaskGroup(of: Int.self) { group in
      for number in 0..<100 {
        group.addTask {
          try? await Task.sleep(for: .milliseconds(1))
          return number
        }
      }
      return await group.reduce(0, +)
    }
    #expect(others == 4950)
    for receiver in receivers { receiver.cancel() }
    for receiver in receivers {
      await #expect(throws: CancellationError.self) { try await receiver.value }
    }
    withExtendedLifetime(posix.descriptor.rawValue) {}
  }

  @Test("a task that is cancelled already does not wait at all")
  func cancelledBefore() async throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    defer { try? queue.remove() }
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      _ = try await SystemVMessageQueue(id: id).receive()
    }
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("each async form times out")
  func timeouts() async throws {
    let name = Unique.name()
    let posix = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    await expectTimeout { _ = try await posix.receive(timeout: .milliseconds(5)) }
    try await posix.send([1])
    await expectTimeout { try await posix.send([2], timeout: .milliseconds(5)) }

    let systemV = try SystemVMessageQueue()
    defer { try? systemV.remove() }
    await expectTimeout { _ = try await systemV.receive(.type(3), timeout: .milliseconds(5)) }
    let large = [UInt8](repeating: 0, count: 8192)
    while try systemV.trySend(large.span.bytes, type: 1) {}
    await expectTimeout { try await systemV.send(large, type: 1, timeout: .milliseconds(5)) }

    let set = try SystemVSemaphoreSet(values: [0])
    defer { try? set.remove() }
    await expectTimeout { try await set.acquire(timeout: .milliseconds(5)) }
  }

  nonisolated(nonsending) private func expectTimeout(_ body: () async throws -> Void) async {
    do {
      try await body()
      Issue.record("it did not time out")
    } catch {
      #expect((error as? InterprocessError)?.isTimeout == true, "\(error)")
    }
  }

  @Test("what was waited for arrives")
  func arrival() async throws {
    let name = Unique.name()
    let posix = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 16)
    let systemV = try SystemVMessageQueue()
    let set = try SystemVSemaphoreSet(values: [0])
    let (queueID, key) = (systemV.id, try #require(SystemVKey(rawValue: Unique.key())))
    let named = try SystemVSemaphoreSet(creating: key, values: [0])
    defer {
      try? POSIXMessageQueue.unlink(name)
      try? systemV.remove()
      try? set.remove()
      try? named.remove()
    }
    let first = Task { try await POSIXMessageQueue(opening: name).receive(timeout: generous).bytes }
    let second = Task { try await SystemVMessageQueue(id: queueID).receive(timeout: generous).bytes }
    let third = Task { try await SystemVSemaphoreSet(opening: key).acquire(timeout: generous) }
    try await Task.sleep(for: .milliseconds(20))
    try await posix.send([1])
    try await systemV.send([2], type: 9)
    try named.release()
    #expect(try await first.value == [1])
    #expect(try await second.value == [2])
    try await third.value
  }

  /// Receivers give up at random moments, by cancellation or by timeout, while messages come.
  @Test("a receive that is cancelled or times out never loses a message")
  func nothingIsLost() async throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    defer { try? queue.remove() }
    let count: Int32 = 1000
    let seen = Seen()
    let sender = Background {
      for number in 0..<count { try Self.sendIntoEmpty(id, number) }
    }
    let deadline = ContinuousClock.now + .seconds(40)
    while seen.numbers.count < count, ContinuousClock.now < deadline {
      let receiver = Task {
        let timeout = Duration.microseconds(Int.random(in: 20...400))
        let message = try await SystemVMessageQueue(id: id).receive(timeout: timeout)
        let number = message.bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
        seen.append(number)
      }
      if Bool.random() {
        try await Task.sleep(for: .microseconds(Int.random(in: 0...200)))
        receiver.cancel()
      }
      _ = await receiver.result
    }
    try sender.value()
    #expect(seen.numbers == Array(0..<count))
  }

  /// Sends once there is nothing to receive, so that receivers wait for it, and give up as it comes.
  private static func sendIntoEmpty(_ id: CInt, _ number: Int32) throws {
    let queue = SystemVMessageQueue(id: id)
    let deadline = ContinuousClock.now + generous
    while try queue.status().messages > 0, ContinuousClock.now < deadline { usleep(20) }
    usleep(UInt32.random(in: 0...300))
    try queue.send(withUnsafeBytes(of: number, Array.init), type: 1, timeout: generous)
  }

  @Test("blocking receives with a timeout lose nothing either")
  func nothingIsLostBlocking() throws {
    let queue = try SystemVMessageQueue()
    let id = queue.id
    defer { try? queue.remove() }
    let count: Int32 = 1000
    let sender = Background {
      for number in 0..<count { try Self.sendIntoEmpty(id, number) }
    }
    var seen: [Int32] = []
    let deadline = ContinuousClock.now + .seconds(40)
    while seen.count < count, ContinuousClock.now < deadline {
      do {
        let message = try queue.receive(timeout: .microseconds(Int.random(in: 1...200)))
        seen.append(message.bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) })
      } catch {
        if !error.isTimeout { throw error }
      }
    }
    try sender.value()
    #expect(seen == Array(0..<count))
  }
}

private final class Seen: Sendable {
  private let state = Mutex<[Int32]>([])
  var numbers: [Int32] { state.withLock { $0 } }
  func append(_ number: Int32) { state.withLock { $0.append(number) } }
}
