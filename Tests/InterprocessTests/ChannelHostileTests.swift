import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// A side that does with its descriptors what no channel does.
@Suite("A channel with a hostile other side", .blocking)
struct ChannelHostileTests {
  @Test("over a ring, a goodbye without an end of the ring is a death", arguments: ["blocking", "async"])
  func goodbye(_ form: String) async throws {
    var pair = try Channel.pair(over: .ring)
    let theirs = try pair.takeFirst()
    let channel = try Channel(pair.takeSecond())
    let receiver = Background { try channel.receive() }
    // The first descriptor is the socket by which each side knows that the other lives.
    let life = dup(try #require(theirs.fileDescriptors.first).rawValue)
    #expect(write(life, "1", 1) == 1)
    leave(theirs)
    close(life)
    let error = #expect(throws: ChannelError.self) {
      if form == "blocking" { _ = try receiver.value(timeout: generous) }
      if form == "async" { _ = try channel.receive(timeout: generous) }
    }
    #expect(error?.code == .peerDied)
  }

  @Test(
    "a file whose other side says what is not so, or cuts it off, throws",
    arguments: ["beyond", "long", "cut", "record"])
  func file(_ how: String) throws {
    var pair = try Channel.pair(over: .file)
    let theirs = try pair.takeFirst()
    let channel = try Channel(pair.takeSecond())
    let (memory, file) = (theirs.fileDescriptors[2], theirs.fileDescriptors[3])
    let mapping = try MappedFile(opening: FilePath("/proc/self/fd/\(memory.rawValue)")).takeMapping()
    var producer = try RingProducer(attachingTo: mapping)
    // A whole message of so many bytes, and where it is said to begin.
    let (count, offset): (UInt64, UInt64) =
      switch how {
      case "beyond": (100, 1 << 20 - 99)
      case "long": (1 << 19 + 1, 0)
      default: (100, 0)
      }
    // So that nothing but the check refuses what lies beyond.
    if how != "cut" { #expect(ftruncate(file.rawValue, 4 << 20) == 0) }
    if how == "cut" { #expect(ftruncate(file.rawValue, 50) == 0) }
    let words = how == "record" ? [1 | count << 8] : [1 | count << 8, offset, count]
    #expect(try producer.trySend(words.span.bytes))
    let error = #expect(throws: ChannelError.self) { try channel.receive(timeout: generous) }
    #expect(error?.code == .malformedMessage, "\(how): \(error as Any)")
    leave(theirs)
  }

  @Test(
    "an end whose descriptors are files, or pipes without a reader, opens no channel and ends no process",
    arguments: Mechanism.allCases.filter { ![.pipe, .namedPipe, .socketPair, .unixSocket].contains($0) })
  func strangeDescriptors(_ mechanism: Mechanism) throws {
    for kind in ["file", "pipe"] {
      var pair = try Channel.pair(over: mechanism)
      let theirs = try pair.takeFirst()
      let second = try pair.takeSecond()
      let own = theirs.fileDescriptors
      for place in own.indices {
        let strange = try strangers(kind, in: place, of: own)
        let end = try ChannelEndpoint(description: theirs.description, adopting: strange)
        do throws(ChannelError) {
          let channel = try Channel(end)
          // It may be a place where a file belongs; then it has to hold out, too.
          try? channel.send([1], timeout: .milliseconds(10))
          channel.close()
        } catch { #expect([.malformedMessage, .system].contains(error.code), "\(mechanism), \(place): \(error)") }
      }
      leave(second)
    }
  }

  private func strangers(_ kind: String, in place: Int, of own: [FileDescriptor]) throws -> [CInt] {
    try own.indices.map { index in
      guard index == place else { return dup(own[index].rawValue) }
      if kind == "file" { return open("/dev/null", O_RDWR | O_CLOEXEC) }
      var ends: [CInt] = [-1, -1]
      try #require(pipe(&ends) == 0)
      close(ends[0])
      return ends[1]
    }
  }

  @Test("one that lets go of its bell, and lives, is dead to a task that waits", arguments: ["receive", "send"])
  func bellIsGone(_ waiting: String) async throws {
    var pair = try Channel.pair(over: .ring)
    let theirs = try pair.takeFirst()
    let channel = try Channel(pair.takeSecond())
    let life = dup(try #require(theirs.fileDescriptors.first).rawValue)
    defer { close(life) }
    let waiter = Task {
      if waiting == "receive" {
        _ = try await channel.receive(timeout: generous)
      } else {
        for _ in 0..<100 { try await channel.send([UInt8](repeating: 1, count: 60_000), timeout: generous) }
      }
    }
    // It waits; another time it finds the bell gone as it begins, which is the same to it.
    try await Task.sleep(for: .milliseconds(30))
    leave(theirs)
    let error = await #expect(throws: ChannelError.self) { try await waiter.value }
    #expect(error?.code == .peerDied)
  }

  @Test("a bell that rings without end does not stretch a deadline")
  func bell() throws {
    let memory = try Ring.create(capacity: 1024)
    let bell = try EventCounter()
    var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 1024, count: 1, bell: bell)
    let ringing = Ringing(dup(bell.descriptor.rawValue))
    do {
      _ = try mailbox.receive(timeout: .milliseconds(50))
      Issue.record("it came")
    } catch { #expect(error.isTimeout) }
    #expect(try ringing.stop())
  }

  @Test("nor one for which a task waits", arguments: ["mailbox", "consumer"])
  func bellOfTask(_ who: String) async throws {
    // Not on the few threads that this suite has, where others keep it waiting.
    let (isTimeout, isInTime) = try await Task.detached {
      let memory = try Ring.create(capacity: 1024)
      let bell = try EventCounter()
      let ringing = Ringing(dup(bell.descriptor.rawValue))
      var isTimeout = false
      do {
        if who == "mailbox" {
          var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 1024, count: 1, bell: bell)
          _ = try await mailbox.receive(timeout: .milliseconds(50))
        } else {
          var consumer = try RingConsumer(attachingTo: memory.mapping, bell: bell)
          _ = try await consumer.receive(timeout: .milliseconds(50))
        }
      } catch let error as InterprocessError { isTimeout = error.isTimeout }
      return (isTimeout, try ringing.stop())
    }.value
    #expect(isTimeout && isInTime)
  }
}

/// Adds to a counter without end; well, for a minute: a deadline that is stretched is a test that fails then.
private final class Ringing: Sendable {
  private let isOver = Flag()
  private let thread: Background<Bool>

  /// - Parameter counter: closed in the end.
  init(_ counter: CInt) {
    thread = Background { [isOver] in
      var one: UInt64 = 1
      let end = ContinuousClock.now + generous
      while !isOver.isSet, ContinuousClock.now < end {
        _ = write(counter, &one, 8)
        usleep(20)
      }
      close(counter)
      return isOver.isSet
    }
  }

  /// - Returns: whether it still rang.
  func stop() throws -> Bool {
    isOver.set()
    return try thread.value(timeout: generous)
  }
}

private final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

private func leave(_ end: consuming ChannelEndpoint) { _ = end.isFirst }
