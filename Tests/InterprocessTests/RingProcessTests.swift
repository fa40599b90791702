import Glibc
import TestSupport
import Testing

/// Two processes at a ring, in `Tests/ForkedProcessHelper/Rings.swift`.
@Suite("A ring between two processes", .blocking)
struct RingProcessTests {
  /// How many times as long as usual: `INTERPROCESS_RING_FACTOR=1000 swift test --filter RingProcess`. Each program says its
  /// seed first, and `INTERPROCESS_SEED` has it use that again.
  private static let factor = getenv("INTERPROCESS_RING_FACTOR").flatMap { Int(String(cString: $0)) } ?? 1

  @Test("loses, doubles and tears no message, of whatever size")
  func stress() throws {
    let run = try helper("ring-stress", 20_000)
    #expect(run.lines == Array(repeating: "exited with code 0", count: 5), "\(run.output) \(run.errors)")
  }

  @Test("gives what was sent, and then an error, when either is killed at any moment")
  func kills() throws {
    let run = try helper("ring-kills", 60)
    #expect(run.lines == ["\(60 * Self.factor) killed"], "\(run.output) \(run.errors)")
  }

  @Test("gives what was sent, and then an error, when either is killed at any step")
  func deaths() throws {
    let all = ["producer died at 15 steps", "consumer died at 14 steps"]
    func isRight(_ lines: [String]) -> Bool {
      // Once for each form.
      all.allSatisfy { line in lines.count { $0 == line } == 2 } || lines == ["release builds have no steps"]
    }
    var run = try helper("ring-deaths", 1, factor: 1)
    // On a busy machine a step may be out of reach within the time that a child is given.
    for _ in 0..<3 where !isRight(run.lines) { run = try helper("ring-deaths", 1, factor: 1) }
    #expect(isRight(run.lines), "\(run.output) \(run.errors)")
  }

  @Test("has ended, and not died, when the producer closes and dies between the consumer's looks at the two")
  func closeThenDeath() throws {
    let run = try helper("ring-close-then-death", 1, factor: 1)
    #expect(run.lines == ["the end"] || run.lines == ["release builds have no steps"], "\(run.output) \(run.errors)")
  }

  @Test("wakes for a death though somebody restores the word that the side is about to sleep by")
  func restoredWord() throws {
    let run = try helper("ring-restored-word", 1, factor: 1)
    #expect(run.lines == ["awake"] || run.lines == ["release builds have no steps"], "\(run.output) \(run.errors)")
  }

  @Test("carries a flood, uninterrupted and with one death after the other, and each word of it is right")
  func flood() throws {
    let run = try helper("ring-flood", 1)
    let counts = run.lines.map { $0.split(separator: " ").compactMap { Int($0) } }
    let isRight = counts.map(\.count) == [1, 2] && counts.joined().allSatisfy { $0 > 0 }
    #expect(isRight, "\(run.output) exit \(run.exitCode) \(run.errors)")
  }

  @Test(
    """
    neither traps nor touches what lies outside nor hangs while another process scribbles over the memory, whichever \
    way it is used
    """)
  func fuzz() throws {
    let run = try helper("ring-fuzz", 6)
    let ways = ["copied", "read in place", "written in place", "by mailbox", "in tasks"]
    let isRight = run.lines == ways.map { "\($0): messages true, errors true" }
    #expect(isRight, "\(run.output) exit \(run.exitCode) \(run.errors)")
  }

  private func helper(_ scenario: String, _ count: Int, factor: Int = Self.factor) throws -> Command {
    try Command.run(
      Package.program("forked-process-helper"), [scenario, "\(count * factor)"],
      timeout: .seconds(factor == 1 ? 60 : 36_000))
  }
}
