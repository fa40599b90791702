import Glibc
import Interprocess
import TestSupport
import Testing

/// What `Tests/ForkedProcessHelper/ChannelFuzz.swift` does beside receiving in a thread, for which there is a test in
/// ``ChannelProcessTests``.
@Suite("A channel under attack", .blocking)
struct ChannelFuzzTests {
  @Test(
    "by a side that spoils what both have meets errors, takes no memory, leaves no descriptor and always comes to an end",
    arguments: Mechanism.allCases, ["receive-async", "send", "send-async"])
  func fuzz(_ mechanism: Mechanism, _ use: String) throws {
    let rounds = getenv("INTERPROCESS_FUZZ_ROUNDS").map { String(cString: $0) }
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-fuzz", mechanism.rawValue, "-", rounds ?? "100", use],
      timeout: .seconds(rounds == nil ? 60 : 3600))
    let isRight = run.lines == ["messages true, errors true", "descriptors 0", "memory 0"]
    #expect(isRight, "\(run.output) exit \(run.exitCode) \(run.errors)")
  }
}
