import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Two programs at a channel that share nothing but the name of its listener:
/// `Tests/ForkedProcessHelper/Channel{Strangers,Talk,Deaths}.swift`.
@Suite("A channel between two programs that are strangers", .blocking, .queues(3))
struct ChannelStrangerTests {
  private static let streams: Set<Mechanism> = [.pipe, .namedPipe, .socketPair, .unixSocket]
  /// Who closes first, or is killed.
  private static let sides = ["listen", "connect"]
  private static let program = Package.program("forked-process-helper")

  @Test(
    "messages go there and back, descriptors and arrays where they can travel, and the end comes to a task",
    arguments: Mechanism.allCases)
  func talk(_ mechanism: Mechanism) throws {
    let (listening, connecting) = try talk(over: mechanism, closingFirst: "connect")
    #expect(listening == ["5 messages"])
    #expect(connecting == (mechanism.carriesDescriptors ? ["there and back", "7.5"] : []))
  }

  @Test("the end comes to the one that connected", arguments: Mechanism.allCases.filter(\.isTwoWay))
  func talkUntilTheListenerCloses(_ mechanism: Mechanism) throws {
    let (listening, connecting) = try talk(over: mechanism, closingFirst: "listen")
    #expect(listening == ["5 messages"])
    #expect(connecting == (mechanism.carriesDescriptors ? ["there and back", "7.5"] : []) + ["the end"])
  }

  @Test(
    "one that is killed ends every wait for it: threads and tasks that receive, or have no room to send",
    arguments: Mechanism.allCases, sides)
  func deaths(_ mechanism: Mechanism, _ killed: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket").string
    let victim = try Command.start(Self.program, ["channel-victim", killed, mechanism.rawValue, path])
    defer { end(victim) }
    let other = killed == "listen" ? "connect" : "listen"
    let run = try Command.run(
      Self.program, ["channel-survivor", other, mechanism.rawValue, path, "\(victim)"], timeout: generous)
    let isStream = Self.streams.contains(mechanism)
    var expected: [String] = []
    // Of a mailbox the listener receives.
    if mechanism.isTwoWay || other == "listen" {
      expected += isStream ? ["receive: end", "messages: end"] : ["receive: died", "messages: died"]
    }
    if mechanism.isTwoWay || other == "connect" {
      expected += isStream ? ["send: closed", "async send: closed"] : ["send: died", "async send: died"]
    }
    #expect(run.lines == expected, "\(run.exitCode) \(run.errors)")
  }

  /// What each of two programs prints that talk to each other.
  private func talk(
    over mechanism: Mechanism, closingFirst: String
  ) throws -> (listening: [String], connecting: [String]) {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket").string
    func start(_ role: String) -> Background<[String]> {
      Background {
        let run = try Command.run(Self.program, ["channel-talk", role, mechanism.rawValue, path, closingFirst])
        return run.exitCode == 0 ? run.lines : run.lines + ["exit \(run.exitCode) \(run.errors)"]
      }
    }
    let (listening, connecting) = (start("listen"), start("connect"))
    return (try listening.value(timeout: generous), try connecting.value(timeout: generous))
  }

  private func end(_ id: pid_t) {
    kill(id, SIGKILL)
    var status: CInt = 0
    waitpid(id, &status, 0)
  }
}
