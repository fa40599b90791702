import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Where the kernel has no `membarrier`, or a container refuses it:
/// `Tests/ForkedProcessHelper/{RefusedBarriers,Naps}.swift`.
@Suite("Rings without membarrier", .blocking, .enabled(if: canRefuse, "skipped: needs seccomp"))
struct ChannelBarrierTests {
  private static let program = Package.program("forked-process-helper")
  private static let turns = 2000

  @Test(
    "no side of a channel misses what wakes it, whichever of them has no barrier",
    arguments: ["", "listen", "connect", "listen connect"])
  func blocking(_ refused: String) throws {
    for side in try takeTurns("blocking", refused) { #expect(side == "\(Self.turns) turns, slept true") }
  }

  @Test("nor does a task", arguments: ["", "listen", "connect", "listen connect"])
  func tasks(_ refused: String) throws {
    for side in try takeTurns("async", refused) { #expect(side == "\(Self.turns) turns, slept true") }
  }

  @Test(
    "a mailbox misses nothing, nor do its producers",
    arguments: [("nobody", 0), ("producers", 2), ("receiver", 1), ("all", 1)])
  func mailbox(_ refused: String, _ times: Int) throws {
    let run = try Command.run(Self.program, ["mailbox-naps", refused, "\(Self.turns)"], timeout: generous)
    let expected = ["slept true", "exited with code 0, exited with code 0"]
    #expect(run.lines == Array(repeating: "refused", count: times) + expected, "\(run.exitCode) \(run.errors)")
  }

  @Test("a side without the barrier finds what nobody woke it for")
  func lostWake() throws {
    let run = try Command.run(Self.program, ["lost-wake"], timeout: generous)
    let expected = ["refused", "[1]", "was killed by signal 9 (SIGKILL)"]
    let isImpossible = [["this kernel has no barriers"], ["release builds have no steps"]].contains(run.lines)
    #expect(run.lines == expected || isImpossible, "\(run.output) \(run.exitCode) \(run.errors)")
  }

  @Test("nor does a side that spares the barrier, as both seem to be on one processor, sleep for good")
  func lostWakeOnOneProcessor() throws {
    let status = try Command.run("/bin/cat", ["/proc/self/status"])
    let allowed = status.lines.first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
    let processor = allowed.split { !$0.isNumber }.first ?? "0"
    let run = try Command.run(
      "/usr/bin/taskset", ["-c", String(processor), Self.program, "lost-wake", "pinned"], timeout: generous)
    let expected = ["[0]", "[1]", "was killed by signal 9 (SIGKILL)"]
    let isImpossible = [["this kernel has no barriers"], ["release builds have no steps"]].contains(run.lines)
    #expect(run.lines == expected || isImpossible, "\(run.output) \(run.exitCode) \(run.errors)")
  }

  /// What became of the side that listens, which makes the rings, and of the one that connects.
  private func takeTurns(_ form: String, _ refused: String) throws -> [String] {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket").string
    let sides = ["listen", "connect"].map { role in
      Background {
        let isRefused = refused.contains(role)
        let run = try Command.run(
          Self.program,
          ["channel-naps", role, "ring", path, form, "\(Self.turns)"] + (isRefused ? ["refused"] : []),
          timeout: generous)
        guard run.lines.first == "refused" || !isRefused else { return "not refused: \(run.output)" }
        return run.lines.last { $0 != "refused" } ?? "exit \(run.exitCode) \(run.errors)"
      }
    }
    return try sides.map { try $0.value(timeout: generous) }
  }
}

private let canRefuse =
  (try? Command.run(Package.program("forked-process-helper"), ["refused-barriers"]))?.lines == ["refused"]
