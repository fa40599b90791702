import Glibc
import TestSupport
import Testing
import WorkerPrograms

/// `workers-helper dying`, killed once it has said which processes there are.
enum Parent {
  static func run(_ arguments: [String], beforeDeath: ([pid_t]) throws -> Void) throws -> [pid_t] {
    let file = "/tmp/workers-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(file) }
    var ids: [pid_t] = []
    let helper = Package.program("workers-helper")
    _ = try Command.run(helper, arguments + ["-to=\(file)"], timeout: .seconds(20)) { parent in
      try within10Seconds("the workers") { access(file, R_OK) == 0 }
      ids = try Command.run("/bin/cat", [file]).output.split(separator: " ").compactMap { pid_t($0) }
      try beforeDeath(ids)
      kill(parent, SIGKILL)
    }
    return ids
  }

  static func expectGone(_ ids: [pid_t]) throws {
    #expect(!ids.isEmpty)
    try within10Seconds("the end of \(ids.filter(isThere))") { !ids.contains(where: isThere) }
  }

  /// Whether it runs: one that has ended may wait for the machine's first process to reap it.
  private static func isThere(_ id: pid_t) -> Bool {
    guard let status = try? Command.run("/bin/cat", ["/proc/\(id)/stat"]).output else { return false }
    return !status.isEmpty && !status.contains(") Z ")
  }
}

@Suite("The parent's death", .blocking)
struct ParentDeathTests {
  @Test(
    "when the parent is killed, its workers and the fork server are gone",
    arguments: [
      ["nap"], ["spin"], ["block"], ["stop"], ["nap", "spin", "block", "stop"],
      ["-fork-server-first", "nap", "spin", "block"], ["-forked-since", "nap", "spin", "block", "stop"],
      ["-forked-since", "-fork-server-first", "nap", "block"], ["tasks"],
    ])
  func gone(options: [String]) throws {
    try Parent.expectGone(try Parent.run(["dying"] + options) { _ in })
  }

  @Test("when the parent is killed while it starts workers, none is left")
  func whileStarting() throws {
    for round in 0..<20 {
      let ids = try Parent.run(["starting"]) { _ in usleep(UInt32(round * 313 % 4000)) }
      try Parent.expectGone(ids)
    }
    try within10Seconds("the end of all workers") {
      try Command.run("/bin/sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"]).output
        .contains("workers-helper starting") == false
    }
  }
}
