import Interprocess
import TestSupport
import Testing

/// Each in namespaces of its own, so that whatever is there afterwards was left.
@Suite(
  "The death of a pool's parent", .blocking, .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
struct PoolParentDeathTests {
  private static let everything = ["idle", "spin", "block", "stop", "sleep", "half-result", "half-argument"]

  /// - Returns: what was left.
  @discardableResult
  private func left(_ victims: String, _ arguments: String...) throws -> [String] {
    try left(victims, arguments)
  }

  private func left(_ victims: String, _ arguments: [String]) throws -> [String] {
    let namespaces = ["--ipc", "--mount", "--pid", "--fork"]
    let script = ["python3", "\(Package.root)/Tests/Peers/parent_death.py", "--victims", victims]
    let program = [Package.program("workers-helper"), "pool-dying"] + arguments
    let command = try Command.run("/usr/bin/unshare", namespaces + script + program, timeout: .seconds(90))
    #expect(command.lines.contains { $0.hasPrefix("gone ") } && !command.lines.contains("hung"), "\(command)")
    // Nothing went wrong before.
    let workers = arguments.count { !$0.hasPrefix("-") } - 1
    #expect(command.lines.contains { $0.hasPrefix("seen ") && $0.hasSuffix(", \(workers) workers") }, "\(command)")
    #expect(
      command.lines.allSatisfy { line in ["main ", "seen ", "gone ", "left "].contains { line.hasPrefix($0) } },
      "\(command)")
    return command.lines.filter { $0.hasPrefix("left ") }
  }

  @Test(
    "leaves nothing, over every mechanism, whatever its workers are doing", .queues(4),
    arguments: WorkerPoolTests.mechanisms)
  func everyMechanism(_ mechanism: Mechanism) throws {
    let left = try left("parent", [mechanism.rawValue, "idle", "spin", "stop", "half-result", "half-argument"])
    #expect(left.isEmpty)
  }

  @Test("leaves nothing when it has forked since", arguments: [Mechanism.ring, .pipe, .systemVMessageQueue])
  func forkedSince(_ mechanism: Mechanism) throws {
    let left = try left("parent", [mechanism.rawValue, "-forked-since"] + Self.everything)
    #expect(left.isEmpty)
  }

  @Test(
    "leaves nothing when the fork server has died before",
    arguments: [Mechanism.ring, .socketPair, .systemVMessageQueue])
  func forkServerDied(_ mechanism: Mechanism) throws {
    let left = try left("parent", [mechanism.rawValue, "-fork-server-died", "idle", "spin", "block", "stop"])
    #expect(left.isEmpty)
  }

  @Test(
    "leaves nothing when the fork server is killed at the same time",
    arguments: [Mechanism.ring, .pipe, .systemVMessageQueue])
  func forkServerToo(_ mechanism: Mechanism) throws {
    let left = try left("servers-first", mechanism.rawValue, "idle", "spin", "block", "stop", "sleep")
    #expect(left.isEmpty)
  }

  @Test(
    "leaves nothing but queues of System V when all are killed at once", .queues(4),
    arguments: [Mechanism.ring, .pipe, .posixMessageQueue, .systemVMessageQueue, .posixSharedMemory])
  func allAtOnce(_ mechanism: Mechanism) throws {
    let left = try left("all", mechanism.rawValue, "idle", "spin", "block", "half-result")
    #expect(left.allSatisfy { mechanism == .systemVMessageQueue && $0.hasPrefix("left msg ") }, "\(left)")
  }
}
