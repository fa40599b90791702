import Glibc
import TestSupport
import Testing

/// Two processes at a ring, in `Tests/ForkedProcessHelper/Rings.swift`.
@Suite("A ring between two processes", .blocking)
struct RingProcessTests {
  /// How many times as long as usual: `INTERPROCESS_RING_FACTOR=1000 swift test --filter RingProcess`.
  private static let factor = getenv("INTERPROCESS_RING_FACTOR").flatMap { Int(String(cString: $0)) } ?? 1

  @Test("loses, doubles and tears no message, of whatever size")
  func stress() throws {
    let run = try helper("ring-stress", 20_000)
    #expect(run.lines == Array(repeating: "exited with code 0", count: 3), "\(run.output) \(run.errors)")
  }

  @Test("gives what was sent, and then an error, when either is killed at any moment")
  func kills() throws {
    let run = try helper("ring-kills", 60)
    #expect(run.lines == ["\(60 * Self.factor) killed"], "\(run.output) \(run.errors)")
  }

  @Test("gives what was sent, and then an error, when either is killed at any step")
  func deaths() throws {
    let run = try helper("ring-deaths", 1, factor: 1)
    let summary = run.lines.filter { $0.contains(" died at ") }
    #expect(summary == ["producer died at 15 steps", "consumer died at 13 steps"], "\(run.output) \(run.errors)")
  }

  @Test("neither traps nor reads elsewhere nor hangs while another process scribbles over the memory")
  func fuzz() throws {
    let run = try helper("ring-fuzz", 30)
    #expect(run.lines == ["errors true, messages true"], "\(run.output) \(run.errors)")
  }

  private func helper(_ scenario: String, _ count: Int, factor: Int = Self.factor) throws -> Command {
    try Command.run(
      Package.program("forked-process-helper"), [scenario, "\(count * factor)"],
      timeout: .seconds(factor == 1 ? 60 : 36_000))
  }
}
