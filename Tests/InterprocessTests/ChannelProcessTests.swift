import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Two processes at a channel, or one that sees what is left of many: `Tests/ForkedProcessHelper/Channel*.swift`.
@Suite("A channel between two processes", .blocking)
struct ChannelProcessTests {
  private static let streams: Set<Mechanism> = [.pipe, .namedPipe, .socketPair, .unixSocket]

  @Test(
    "a side that is killed while nothing is on its way has died, or ended where a stream does not tell",
    arguments: Mechanism.allCases, ["blocking", "async"])
  func idle(_ mechanism: Mechanism, _ form: String) throws {
    let isStream = Self.streams.contains(mechanism)
    var expected = [isStream ? "receive: end" : "receive: died"]
    if mechanism.isTwoWay { expected.append(isStream ? "send: closed" : "send: died") }
    #expect(try kill(mechanism, "idle", form) == expected)
  }

  @Test(
    "a side that is killed in the middle of sending leaves half a message, and that is an error",
    arguments: Mechanism.allCases, ["blocking", "async"])
  func sending(_ mechanism: Mechanism, _ form: String) throws {
    #expect(try kill(mechanism, "sending", form) == ["receive: truncated"])
  }

  @Test(
    "sending to a side that is killed, receiving or not, is an error",
    arguments: Mechanism.allCases, ["receiving blocking", "receiving async", "deaf blocking", "deaf async"])
  func receiving(_ mechanism: Mechanism, _ moment: String) throws {
    let words = moment.split(separator: " ").map(String.init)
    let expected = Self.streams.contains(mechanism) ? "send: closed" : "send: died"
    #expect(try kill(mechanism, words[0], words[1]) == [expected])
  }

  @Test(
    "sending to a side that has gone is an error and no SIGPIPE, whether the program ignores that or not",
    arguments: [Mechanism.pipe, .namedPipe, .socketPair], ["ignored", "not"])
  func brokenPipe(_ mechanism: Mechanism, _ signal: String) throws {
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-broken-pipe", mechanism.rawValue, signal])
    #expect(run.exitCode == 0 && run.lines == ["closed", "closed"], "\(run.output) \(run.errors)")
  }

  @Test(
    "a thousand channels that were used, dropped unused, or opened at one side leave nothing",
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"), arguments: Mechanism.allCases)
  func leaks(_ mechanism: Mechanism) throws {
    let run = try Isolated.run([Package.program("forked-process-helper"), "channel-leaks", mechanism.rawValue, "1000"])
    #expect(run.output == ["descriptors 0, threads 0", "memory 0"], "\(run.errors)")
    #expect(run.left == [])
  }

  @Test("a pair that is made, or opened, with too few descriptors leaves none", arguments: Mechanism.allCases)
  func scarce(_ mechanism: Mechanism) throws {
    let directory = try TemporaryDirectory()
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-scarce", mechanism.rawValue],
      environment: ["TMPDIR": directory.path.string], timeout: .seconds(60))
    #expect(run.lines == ["refused true, opened true, left 0"], "\(run.exitCode) \(run.errors)")
    #expect(try Command.run("/bin/ls", ["-A", directory.path.string]).output == "")
  }

  @Test(
    "queues of a pair that is dropped while another thread starts a program are removed",
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func drops() throws {
    let run = try Isolated.run([Package.program("forked-process-helper"), "channel-drops"])
    #expect(run.output == ["dropped"], "\(run.errors)")
    #expect(run.left == [])
  }

  @Test(
    "nonsense from the other side is an error, takes no memory, leaves no descriptor and no wait without an end",
    arguments: Mechanism.allCases)
  func fuzz(_ mechanism: Mechanism) throws {
    let rounds = getenv("INTERPROCESS_FUZZ_ROUNDS").map { String(cString: $0) } ?? "300"
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-fuzz", mechanism.rawValue, "-", rounds],
      timeout: .seconds(600))
    #expect(
      run.lines == ["messages true, errors true", "descriptors 0", "memory 0"],
      "exit \(run.exitCode) \(run.errors)")
  }

  @Test("queues that a stranger names and has not made are not touched")
  func strangeQueues() throws {
    let run = try Command.run(Package.program("forked-process-helper"), ["channel-strange-queue"], timeout: generous)
    #expect(run.lines == ["refused", "[1]"] || run.lines == ["needs root"], "\(run.output) \(run.errors)")
  }

  @Test("the queues of a pool of twelve fit beside each other, and a refusal says what to do")
  func queues() throws {
    let program = Package.program("forked-process-helper")
    let many = try Command.run(program, ["channel-queues"])
    #expect(many.lines == ["12 channels"], "\(many.output)")
    let none = try Command.run(program, ["channel-queues", "1000"])
    #expect(none.output.contains("mq_open(a channel's queue): Too many open files: there is no room left"))
    #expect(none.output.contains("RLIMIT_MSGQUEUE (1000 bytes)") && none.output.contains("ring for instance"))
    #expect(none.lines.last == "0 channels")
  }

  private func kill(_ mechanism: Mechanism, _ moment: String, _ form: String) throws -> [String] {
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-kill", mechanism.rawValue, moment, form], timeout: generous)
    #expect(run.exitCode == 0 && run.errors == "", "\(run.output) \(run.errors)")
    return run.lines
  }
}
