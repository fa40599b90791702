import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Notifications of queues", .queues(), .timeLimit(.minutes(5)))
struct QueueNotificationTests {
  @Test("a queue notifies when there is something to receive", arguments: [false, true])
  func notifications(bySignal: Bool) async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let form = bySignal ? POSIXMessageQueue.NotificationForm.signal(SIGUSR2) : .thread
    let notifications = try queue.notifications(by: form)
    let receiver = Task {
      let queue = try POSIXMessageQueue(opening: name)
      var received: [UInt8] = []
      for try await _ in notifications {
        while let message = try queue.tryReceive() { received += message.bytes }
        if received.count == 6 { return received }
      }
      return received
    }
    for byte in UInt8(0)..<6 {
      try await queue.send([byte])
      if byte.isMultiple(of: 2) { try await Task.sleep(for: .milliseconds(5)) }
    }
    #expect(try await receiver.value == [0, 1, 2, 3, 4, 5])
  }

  @Test("each form is registered as the form that it is", arguments: [false, true])
  func forms(bySignal: Bool) async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let waiting = try await register(for: queue, by: bySignal ? .signal(SIGUSR2) : .thread)
    let status = queueStatus(of: queue) ?? ""
    // SIGEV_SIGNAL is 0; a thread is told over a socket, which the kernel calls SIGEV_THREAD, 2.
    #expect(status.contains(bySignal ? "NOTIFY:0 " : "NOTIFY:2 "), "\(status)")
    if bySignal { #expect(status.contains("SIGNO:\(SIGUSR2) "), "\(status)") }
    try await queue.send([1])
    try await waiting.value
  }

  @Test("waiting for a notification is cancelled, and the registration is free again")
  func cancelled() async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let waiting = try await register(for: queue)
    let second = try queue.notifications()
    await expectBusy { _ = try await second.next() }
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(notifiedProcess(of: queue) == 0)
    try await queue.send([1])
    #expect(try await second.next() != nil)
  }

  @Test("a second sequence that is refused, or never asked, leaves the first its notification")
  func secondSequence() async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let waiting = try await register(for: queue)
    await expectBusy { _ = try await queue.notifications().next() }
    _ = try queue.notifications()
    try await queue.send([1])
    try await waiting.value
  }

  @Test(
    "closing another descriptor of the queue, or waiting for it beside the sequence, does not silence it",
    arguments: [false, true])
  func besideOthers(closing: Bool) async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 1, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let waiting = try await register(for: queue)
    if closing {
      var other = try POSIXMessageQueue(opening: name)
      try other.close()
    } else {
      // The reactor closes the duplicate that it has waited for.
      do {
        _ = try await queue.receive(timeout: .milliseconds(5))
        Issue.record("there was nothing to receive")
      } catch {
        #expect((error as? InterprocessError)?.isTimeout == true, "\(error)")
      }
    }
    try await queue.send([1])
    try await waiting.value
  }

  /// A ring that comes late, for a message that has been taken long since, finds the sequence registered anew.
  @Test("a late ring is no error", arguments: [false, true])
  func lateRings(bySignal: Bool) async throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 16)
    defer { try? POSIXMessageQueue.unlink(name) }
    let notifications = try queue.notifications(by: bySignal ? .signal(SIGUSR2) : .thread)
    let count: UInt32 = 500
    let sender = Background {
      let queue = try POSIXMessageQueue(opening: name, access: .writeOnly)
      for number in 0..<count { try queue.send(withUnsafeBytes(of: number, Array.init), timeout: generous) }
    }
    var received = 0
    while received < count {
      #expect(try await notifications.next() != nil)
      while try queue.tryReceive() != nil { received += 1 }
    }
    try sender.value()
  }

  /// A task that waits for one notification, once it has registered for it.
  private func register(
    for queue: borrowing POSIXMessageQueue, by form: POSIXMessageQueue.NotificationForm = .thread
  ) async throws -> Task<Void, any Error> {
    let notifications = try queue.notifications(by: form)
    let waiting = Task { _ = try await notifications.next() }
    let deadline = ContinuousClock.now + generous
    while notifiedProcess(of: queue) != getpid() {
      try #require(ContinuousClock.now < deadline, "it did not register")
      try await Task.sleep(for: .milliseconds(1))
    }
    return waiting
  }

  /// The process that is registered for a queue.
  private func notifiedProcess(of queue: borrowing POSIXMessageQueue) -> pid_t? {
    queueStatus(of: queue)?.split(separator: "NOTIFY_PID:").last.flatMap { pid_t($0.filter(\.isNumber)) }
  }

  /// Reading the queue's descriptor gives its status as text.
  private func queueStatus(of queue: borrowing POSIXMessageQueue) -> String? {
    var text = [UInt8](repeating: 0, count: 256)
    let count = pread(queue.descriptor.rawValue, &text, text.count, 0)
    return count > 0 ? String(decoding: text.prefix(count), as: UTF8.self) : nil
  }

  private nonisolated(nonsending) func expectBusy(_ body: () async throws -> Void) async {
    do {
      try await body()
      Issue.record("two registrations at once")
    } catch {
      #expect((error as? InterprocessError)?.errno == .resourceBusy, "\(error)")
      #expect("\(error)".contains("another process, or another sequence, is registered for this queue"))
    }
  }
}
