import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Channel, async", .queues(2))
struct ChannelAsyncTests {
  @Test("messages are a sequence that ends when the other side closes", arguments: Mechanism.allCases)
  func messages(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    async let sender: Void = {
      for (number, size) in ChannelTests.sizes.enumerated() {
        try await ends.first.send(patterned(size, number), timeout: generous)
      }
      ends.first.close()
    }()
    var number = 0
    for try await message in ends.second.messages {
      #expect(message == patterned(ChannelTests.sizes[number], number), "\(mechanism), message \(number)")
      number += 1
    }
    #expect(number == ChannelTests.sizes.count)
    try await sender
  }

  @Test("cancelling a receive loses nothing", arguments: Mechanism.allCases)
  func cancelledReceive(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    for number in 0..<50 {
      let receiver = Task { try await ends.second.receive() }
      if number.isMultiple(of: 2) { try await Task.sleep(for: .milliseconds(1)) }
      async let sent: Void = ends.first.send([UInt8(number)])
      receiver.cancel()
      try await sent
      do {
        #expect(try await receiver.value == [UInt8(number)])
      } catch is CancellationError {
        #expect(try await ends.second.receive(timeout: generous) == [UInt8(number)])
      }
    }
  }

  @Test("cancelling a send that waits for room ends it", arguments: Mechanism.allCases)
  func cancelledSend(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    let sender = Task { try await ends.first.send(patterned(20_000_000, 1)) }
    try await Task.sleep(for: .milliseconds(20))
    sender.cancel()
    await #expect(throws: CancellationError.self) { try await sender.value }
  }

  @Test("each async form times out", arguments: Mechanism.allCases)
  func timeouts(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    do {
      _ = try await ends.second.receive(timeout: .milliseconds(10))
      Issue.record("something came")
    } catch let error as ChannelError { #expect(error.isTimeout) }
    do {
      try await ends.first.send(patterned(20_000_000, 1), timeout: .milliseconds(10))
      Issue.record("it was sent")
    } catch let error as ChannelError { #expect(error.isTimeout) }
  }

  @Test("tasks and threads take turns", arguments: [Mechanism.pipe, .ring, .systemVMessageQueue])
  func turns(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    let thread = Background {
      for number in 0..<500 { try ends.first.send([0, UInt8(number % 256)], timeout: generous) }
    }
    async let tasks: Void = withThrowingTaskGroup(of: Void.self) { group in
      for task in 1...4 {
        group.addTask {
          for number in 0..<100 { try await ends.first.send([UInt8(task), UInt8(number)], timeout: generous) }
        }
      }
      try await group.waitForAll()
    }
    var count = 0
    while count < 900, try await ends.second.receive(timeout: generous) != nil { count += 1 }
    try await tasks
    try thread.value()
    #expect(count == 900)
  }
}
