import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Codable values over a channel", .blocking)
struct ChannelValueTests {
  struct Job: Codable, Equatable, Sendable {
    var name = "pi"
    var terms: [Double] = [1, 0.25]
    var next: [Job]? = []
  }

  struct Work: Codable {
    var name: String
    var numbers: SharedArray<Double>
    var flags: SharedArray<UInt8>
  }

  static let carriers = Mechanism.allCases.filter(\.carriesDescriptors)

  @Test("values arrive as they were sent, and then the end", arguments: Mechanism.allCases)
  func values(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let jobs = (0..<50).map { Job(name: "job \($0)", terms: [Double](repeating: 1, count: $0 * 10), next: [Job()]) }
    let sender = Background {
      for job in jobs { try ends.first.send(encoding: job, timeout: generous) }
      ends.first.close()
    }
    for job in jobs { #expect(try ends.second.receive(Job.self, timeout: generous) == job) }
    #expect(try ends.second.receive(Job.self, timeout: generous) == nil)
    try sender.value()
  }

  @Test("values are a sequence for a task", arguments: Mechanism.allCases)
  func sequence(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    async let sent: Void = {
      // Also after an error, which is seen below then. No timeout: the tasks of all such tests take turns on few threads.
      defer { ends.first.close() }
      for number in 0..<100 { try await ends.first.send(encoding: Job(name: "\(number)")) }
    }()
    var number = 0
    for try await job in ends.second.values(of: Job.self) {
      #expect(job == Job(name: "\(number)"))
      number += 1
    }
    #expect(number == 100)
    try await sent
  }

  @Test("a literal of bytes is bytes, not a value")
  func bytes() throws {
    let ends = try Ends(.pipe)
    try ends.first.send([1, 2])
    #expect(try ends.second.receive(timeout: generous) == [1, 2])
  }

  @Test(
    "a message that is no such value throws the codec's error, and the next one comes", arguments: Mechanism.allCases)
  func undecodable(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    try ends.first.send([0xff, 0x00] as [UInt8])
    try ends.first.send(encoding: "text")
    try ends.first.send(encoding: Job())
    #expect(throws: DecodingError.self) { try ends.second.receive(Job.self, timeout: generous) }
    #expect(throws: DecodingError.self) { try ends.second.receive(Int.self, timeout: generous) }
    #expect(try ends.second.receive(Job.self, timeout: generous) == Job())
  }

  @Test("receiving a value times out", arguments: [Mechanism.pipe, .ring, .posixMessageQueue])
  func timeout(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    do {
      _ = try await ends.second.receive(Job.self, timeout: .milliseconds(10))
      Issue.record("something came")
    } catch let error as ChannelError { #expect(error.isTimeout) }
  }

  @Test("shared arrays travel inside a value, and both sides see what either writes", arguments: carriers)
  func sharedArrays(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    let work = try Work(
      name: "a", numbers: SharedArray(repeating: 1.5, count: 1000), flags: SharedArray(repeating: 7, count: 3))
    try ends.first.send(encoding: work, timeout: generous)
    let received = try #require(try ends.second.receive(Work.self, timeout: generous))
    #expect(received.numbers.count == 1000 && received.numbers.allSatisfy { $0 == 1.5 })
    #expect(Array(received.flags) == [7, 7, 7])
    received.numbers[999] = 2
    work.flags[0] = 1
    #expect(work.numbers[999] == 2 && received.flags[0] == 1)
    // What was received can be sent on.
    try ends.second.send(encoding: received, timeout: generous)
    let back = try #require(try ends.first.receive(Work.self, timeout: generous))
    #expect(back.numbers[999] == 2)
  }

  @Test("descriptors beside a value come behind those in it", arguments: carriers)
  func besides(_ mechanism: Mechanism) async throws {
    let ends = try Ends(mechanism)
    let pipe = try Pipe()
    try await ends.first.send(
      encoding: [SharedArray(repeating: 1, count: 1)], passing: [pipe.reader.descriptor.fileDescriptor],
      timeout: generous)
    var received = ReceivedDescriptors()
    let arrays = try await ends.second.receive([SharedArray<Int>].self, receiving: &received, timeout: generous)
    #expect(arrays?.first?[0] == 1)
    let count = received.count
    #expect(count == 1)
  }

  @Test(
    "where no descriptors can travel, sending a shared array says so and sends nothing",
    arguments: Mechanism.allCases.filter { !$0.carriesDescriptors })
  func notPossible(_ mechanism: Mechanism) throws {
    let ends = try Ends(mechanism)
    do {
      try ends.first.send(encoding: [SharedArray(repeating: 1, count: 10)], timeout: generous)
      Issue.record("it was sent")
    } catch let error as ChannelError { #expect(error.code == .notPossible, "\(error)") }
    try ends.first.send(encoding: "next", timeout: generous)
    #expect(try ends.second.receive(String.self, timeout: generous) == "next")
  }

  @Test("a shared array outside of a channel, or in memory without a descriptor, is not encoded")
  func refused() throws {
    #expect(throws: EncodingError.self) { try CBOREncoder().encode(SharedArray(repeating: 1, count: 10)) }
    let ends = try Ends(.socketPair)
    let size = try SharedArray<Int>.byteCount(for: 1)
    let array = try SharedArray(repeating: 1, count: 1, in: AnonymousMemory(byteCount: size))
    #expect(throws: EncodingError.self) { try ends.first.send(encoding: array, timeout: generous) }
  }

  /// Messages whose descriptor is no shared array, and what is wrong with each.
  static let hostile: [(message: [UInt8], reason: String)] = [
    (array("0"), "a pipe is no memory"), (array("1"), "one descriptor came"), (array("-1"), "negative"),
    (Array("garbage".utf8), "no CBOR"), ([], "nothing"),
  ]

  private static func array(_ index: String) -> [UInt8] {
    (try? CBOREncoder().encode(["descriptor": Int(index) ?? 0, "stride": 8, "count": 1])) ?? []
  }

  @Test("a message that does not decode has its descriptors closed", arguments: hostile.indices)
  func noLeak(_ index: Int) throws {
    let (message, reason) = Self.hostile[index]
    let ends = try Ends(.socketPair)
    var pipe = try Pipe()
    try ends.first.send(message, passing: [pipe.writer.fileDescriptor], timeout: generous)
    try pipe.writer.close()
    #expect(throws: DecodingError.self, "\(reason)") {
      try ends.second.receive(SharedArray<Int>.self, timeout: generous)
    }
    // The end comes when the last copy of the other end is closed.
    let bytes = try pipe.reader.read(upTo: 1, timeout: generous)
    #expect(bytes.isEmpty)
    try ends.first.send(encoding: "next", timeout: generous)
    #expect(try ends.second.receive(String.self, timeout: generous) == "next")
  }

  @Test("an array of other elements is refused")
  func otherElements() throws {
    let ends = try Ends(.unixSocket)
    try ends.first.send(encoding: SharedArray(repeating: 1.5, count: 4), timeout: generous)
    #expect(throws: DecodingError.self) { try ends.second.receive(SharedArray<Float>.self, timeout: generous) }
  }
}
