import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// What happens on one side of a channel while another thread, or task, of the same side is in a call.
@Suite("Channel, used by several at once", .blocking, .serialized)
struct ChannelConcurrencyTests {
  private static let large = Channel.Options(maximumMessageSize: 1 << 30)

  @Test(
    "closing while a receive waits tells the other side, and the receive ends when that closes",
    arguments: Mechanism.allCases.filter(\.isTwoWay))
  func closingBesideReceive(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let receiver = Background { try ends.first.receive() }
    usleep(30_000)
    ends.first.close()
    #expect(try ends.second.receive(timeout: generous) == nil)
    ends.second.close()
    #expect(try receiver.value() == nil)
  }

  @Test("closing while a message is being sent lets it arrive, and the end after it", arguments: Mechanism.allCases)
  func closingBesideSend(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let message = patterned(5_000_000, 4)
    let hasBegun = Mutex(false)
    let sender = Background {
      hasBegun.withLock { $0 = true }
      try ends.first.send(message)
    }
    while !hasBegun.withLock(\.self) { usleep(1000) }
    // The channel says nothing of a send that is under way.
    usleep(200_000)
    ends.first.close()
    usleep(30_000)
    #expect(try ends.second.receive(timeout: generous) == message, "\(mechanism)")
    #expect(try ends.second.receive(timeout: generous) == nil, "\(mechanism)")
    try sender.value()
  }

  @Test("a deadline holds although the other side takes all the time", arguments: Mechanism.allCases)
  func deadlineWhileSending(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism, Self.large)
    let receiver = Background { _ = try? ends.second.receive() }
    let message = [UInt8](repeating: 1, count: 300 << 20)
    do {
      try ends.first.send(message, timeout: .milliseconds(3))
      Issue.record("\(mechanism) sent 300 MiB in 3 ms")
    } catch { #expect(error.isTimeout, "\(mechanism): \(error)") }
    ends.first.close()
    try receiver.value()
  }

  @Test("a deadline holds although the other side sends all the time", arguments: Mechanism.allCases)
  func deadlineWhileReceiving(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism, Self.large)
    let sender = Background { _ = try? ends.first.send([UInt8](repeating: 1, count: 300 << 20)) }
    do {
      // The memory of the message is being made meanwhile.
      while true {
        if try ends.second.receive(timeout: .milliseconds(3)) != nil {
          Issue.record("\(mechanism) received 300 MiB in 3 ms")
          break
        }
      }
    } catch { #expect(error.isTimeout, "\(mechanism): \(error)") }
    ends.second.close()
    try sender.value()
  }

  @Test("a task is cancelled in the middle of a message that the other side takes", arguments: Mechanism.allCases)
  func cancelledWhileSending(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism, Self.large)
    let receiver = Background { _ = try? ends.second.receive() }
    let message = [UInt8](repeating: 1, count: 300 << 20)
    let hasBegun = Mutex(false)
    let sender = Task {
      hasBegun.withLock { $0 = true }
      try await ends.first.send(message)
    }
    // A thread, which has its turn however many tasks there are.
    _ = Background {
      while !hasBegun.withLock({ $0 }) { usleep(100) }
      usleep(2000)
      sender.cancel()
    }
    await #expect(throws: CancellationError.self, "\(mechanism)") { try await sender.value }
    ends.first.close()
    try receiver.value()
  }

  @Test("a task whose time is up while others send is told so, and not that it was cancelled")
  func turnTimesOut() async throws {
    let ends = try Ends(.pipe)
    let sender = Background { _ = try? ends.first.send(patterned(1_000_000, 0)) }
    // Until it is the sender's turn.
    let end = ContinuousClock.now + generous
    while (try? await ends.first.send([1], timeout: .zero)) != nil, ContinuousClock.now < end { usleep(1000) }
    for _ in 0..<2000 {
      do {
        try await ends.first.send([1], timeout: .zero)
        Issue.record("it was sent")
      } catch { #expect((error as? ChannelError)?.isTimeout == true, "\(error)") }
    }
    ends.second.close()
    try sender.value()
  }

  @Test("messages sent at once until there is no room all arrive, and others after them", arguments: Mechanism.allCases)
  func atOnce(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    for size in [1, 5000, 16 << 10] {
      var sent = 0
      while sent < 100_000, try ends.first.trySendAtOnce(patterned(size, sent)) { sent += 1 }
      let sender = Background { [sent] in try ends.first.send(patterned(size, sent)) }
      for number in 0...sent {
        let message = try ends.second.receive(timeout: generous)
        #expect(message == patterned(size, number), "\(mechanism), message \(number) of \(size) bytes")
      }
      try sender.value()
    }
  }

  @Test(
    "a message that was refused for its size is gone, also after half a message, and the next one comes",
    arguments: Mechanism.allCases.filter { !$0.isReadableByOtherLanguages })
  func afterTooLarge(_ mechanism: Mechanism) throws {
    var pair = try Channel.pair(over: mechanism)
    let first = try Channel(pair.takeFirst())
    let second = try Channel(pair.takeSecond(), .init(maximumMessageSize: 10_000))
    let sender = Background {
      _ = try? first.send(patterned(9000, 1), timeout: .zero)
      try first.send(patterned(100_000, 2), timeout: generous)
      try first.send(patterned(10_000, 3), timeout: generous)
    }
    _ = try? second.receive(timeout: .milliseconds(10))
    do {
      _ = try second.receive(timeout: generous)
      Issue.record("it came")
    } catch { #expect(error.code == .messageTooLarge, "\(error)") }
    #expect(try second.receive(timeout: generous) == patterned(10_000, 3))
    try sender.value()
  }

  @Test(
    "a message that was refused for its size is gone, and its sender goes on, over every mechanism",
    arguments: Mechanism.allCases)
  func refusedForItsSize(_ mechanism: Mechanism) throws {
    let limit = 10_000
    var pair = try Channel.pair(over: mechanism)
    let first = try Channel(pair.takeFirst())
    let second = try Channel(pair.takeSecond(), .init(maximumMessageSize: limit))
    let sizes = [limit, limit + 1, 0, 3_000_000, limit, 70_000, limit + 1, 1]
    let sender = Background {
      for (number, size) in sizes.enumerated() { try first.send(patterned(size, number), timeout: generous) }
      first.close()
    }
    for (number, size) in sizes.enumerated() {
      do {
        #expect(try second.receive(timeout: generous) == patterned(size, number), "\(mechanism), \(size) bytes")
        #expect(size <= limit)
      } catch { #expect(size > limit && error.code == .messageTooLarge, "\(mechanism), \(size) bytes: \(error)") }
    }
    #expect(try second.receive(timeout: generous) == nil)
    try sender.value()
  }

  @Test(
    "a receive that was under way when its side closed gets what the other side sends", arguments: Mechanism.allCases)
  func closedWhileReceiving(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let receiver = Background { try ends.second.receive() }
    // It waits; and the other side knows of the end, whatever it makes of it.
    usleep(30_000)
    ends.second.close()
    // Whoever comes too late says nothing to the other side, which would take it for the end of everything.
    if mechanism.isTwoWay {
      #expect(throws: ChannelError.self) { try ends.second.send([1], timeout: generous) }
    }
    usleep(30_000)
    try ends.first.send(patterned(9000, 7), timeout: generous)
    #expect(try receiver.value() == patterned(9000, 7), "\(mechanism)")
    do {
      for _ in 0..<100_000 { try ends.first.send(patterned(1000, 0), timeout: generous) }
      Issue.record("\(mechanism) went on")
    } catch { #expect(error.code == .peerClosed, "\(mechanism): \(error)") }
  }

  @Test("a direction that one thread has used alone is shared from one moment to the next, at any moment")
  func sharing() async throws {
    let each = 40
    for round in 0..<400 {
      let ends = try Ends(.ring)
      let start = Starting()
      let senders = (0..<3).map { sender in
        Background {
          // The first has been at it for a while, more or less, when the others come.
          if sender > 0 { while start.count.load(ordering: .relaxed) < (round * sender) % each {} }
          for number in 0..<each {
            try ends.first.send([UInt8(sender), UInt8(number)], timeout: generous)
            if sender == 0 { start.count.store(number + 1, ordering: .relaxed) }
          }
        }
      }
      let task = Task { try await ends.second.receive(timeout: generous) }
      let receivers = (0..<2).map { _ in
        Background {
          var received: [[UInt8]] = []
          while let message = try ends.second.receive(timeout: generous) { received.append(message) }
          return received
        }
      }
      for sender in senders { try sender.value() }
      ends.first.close()
      var all = try receivers.map { try $0.value() }
      if let message = try await task.value { all.append([message]) }
      // In the order they were sent, whoever got them; and each once.
      for received in all {
        for sender in UInt8(0)..<3 {
          let numbers = received.filter { $0[0] == sender }.map { $0[1] }
          #expect(numbers == numbers.sorted(), "round \(round)")
        }
      }
      #expect(Set(all.joined()).count == 3 * each && all.joined().count == 3 * each, "round \(round)")
    }
  }

  private final class Starting: Sendable { let count = Atomic(0) }

  @Test("waits that are cancelled as they begin disturb no other wait")
  func reactor() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        let (one, another) = (try Ends(.pipe), try Ends(.socketPair))
        group.addTask {
          for _ in 0..<3000 {
            let waiter = Task { try await one.second.receive() }
            await Task.yield()
            waiter.cancel()
            do {
              _ = try await waiter.value
              Issue.record("it read")
            } catch { #expect(error is CancellationError, "\(error)") }
          }
        }
        group.addTask {
          for _ in 0..<3000 {
            do {
              _ = try await another.second.receive(timeout: .nanoseconds(Int.random(in: 0...100_000)))
            } catch { #expect((error as? ChannelError)?.isTimeout == true, "\(error)") }
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
