import TestSupport
import Testing

@testable import ipc

private let ipc = Package.program("ipc")

@Suite("ipc pi", .blocking, .queues())
struct PiCommandTests {
  @Test("each mechanism gives the article's digits, the same in every run", arguments: PiMechanism.allCases)
  func article(mechanism: PiMechanism) throws {
    let runs = try (0..<2).map { _ in try Command.run(ipc, ["pi", "--via", mechanism.rawValue]) }
    for run in runs {
      #expect(run.exitCode == 0, "\(run.errors)")
      #expect(run.lines.count == 3)
      #expect(run.lines[1].hasPrefix(mechanism.rawValue + " "))
      #expect(run.lines[1].contains(" 3.14159262176 "))
      #expect(run.lines[2].hasPrefix("10,000,000 terms, 10 workers, "))
      #expect(!run.output.contains("\r") && run.errors.isEmpty, "there is no progress where there is no terminal")
    }
  }

  @Test("without --via every mechanism runs, in the documented order, and all agree")
  func all() throws {
    let run = try Command.run(ipc, ["pi", "--terms", "100003", "--workers", "7", "--json"])
    #expect(run.exitCode == 0)
    let alone = PiJob.pi(from: [sliceSum(0..<100_003)])
    let names = try run.lines.map { line in
      let values = try #require(jsonValues(line))
      #expect(values["terms"] == "100003" && values["workers"] == "7")
      #expect(Double(values["seconds"] ?? "") ?? -1 > 0)
      #expect(abs(try #require(Double(values["pi"] ?? "")) - alone) < 1e-11)
      return values["mechanism"]
    }
    #expect(names == PiMechanism.allCases.map { "\"\($0.rawValue)\"" })
  }

  /// The keys and raw values of an object without nesting.
  private func jsonValues(_ line: String) -> [String: String]? {
    guard line.hasPrefix("{"), line.hasSuffix("}") else { return nil }
    let pairs = line.dropFirst().dropLast().split(separator: ",").map { $0.split(separator: ":") }
    return Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0].dropFirst().dropLast()), String($0[1])) })
  }

  @Test("more workers than terms are idle, and the sum is right", arguments: PiMechanism.allCases)
  func idleWorkers(mechanism: PiMechanism) throws {
    let run = try Command.run(ipc, ["pi", "--terms", "3", "--workers", "20", "--json", "--via", mechanism.rawValue])
    #expect(run.exitCode == 0)
    #expect(run.output.contains("\"pi\":\(PiJob.pi(from: [1 + 1.0 / 9 + 1.0 / 25]))".prefix(19)))
  }

  @Test(
    "what makes no sense is one line on standard error, and nonzero",
    arguments: [
      (["pi", "--via", "pip"], "did you mean pipe?"),
      (["pi", "--workers", "0"], "--workers 0: give a number from 1"),
      (["pi", "--workers=-3"], "--workers -3: give a number from 1"),
      (["pi", "--terms", "0"], "--terms 0: give a number from 1"),
      (["pi", "--terms", "many"], "'many' is invalid"),
      (["pi", "--terms", "99999999999999999999"], "is invalid"),
      (["pi", "extra"], "Unexpected argument 'extra'"),
      (["frobnicate"], "frobnicate"),
    ])
  func badInput(arguments: [String], expected: String) throws {
    let run = try Command.run(ipc, arguments)
    #expect(run.exitCode == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.hasPrefix("ipc: ") && run.errors.contains(expected))
    #expect(run.errors.filter(\.isNewline).count == 1)
  }

  @Test("help teaches", arguments: [["--help"], ["pi", "--help"]])
  func help(arguments: [String]) throws {
    let run = try Command.run(ipc, arguments)
    #expect(run.exitCode == 0 && run.output.contains("USAGE") && run.errors.isEmpty)
  }
}

@Suite("ipc pi leaves nothing behind", .blocking, .queues(), .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
struct PiLitterTests {
  private static let endless = ["--terms", "1000000000000000", "--workers", "4", "--json"]

  @Test("after a run that went well")
  func success() throws {
    let run = try Isolated.run([ipc, "pi", "--terms", "1000", "--json"])
    #expect(run.exitCode == 0 && run.output.count == PiMechanism.allCases.count)
    #expect(run.left == [])
  }

  @Test("after a child was killed, which is named with its signal", arguments: PiMechanism.allCases)
  func killedChild(mechanism: PiMechanism) throws {
    let run = try Isolated.run(
      [ipc, "pi", "--via", mechanism.rawValue] + Self.endless, options: ["--act", "kill-child"])
    #expect(run.exitCode == 1)
    #expect(run.errors.hasPrefix("ipc: \(mechanism.rawValue): worker 1 (process "))
    #expect(run.errors.hasSuffix("was killed by signal 9 (SIGKILL)\n"))
    #expect(run.errors.filter(\.isNewline).count == 1)
    #expect(run.left == [])
  }

  @Test(
    "after a signal, with the exit code a shell expects", arguments: PiMechanism.allCases,
    [("INT", 130), ("TERM", 143)] as [(String, CInt)])
  func signalled(mechanism: PiMechanism, signal: (name: String, exitCode: CInt)) throws {
    let run = try Isolated.run(
      [ipc, "pi", "--via", mechanism.rawValue] + Self.endless, options: ["--act", "signal:\(signal.name)"])
    #expect(run.exitCode == signal.exitCode)
    #expect(run.left == [])
    #expect(run.errors.isEmpty)
  }

  @Test(
    "after a child was killed while it held the semaphore",
    arguments: [PiMechanism.posixSharedMemory, .systemVSharedMemory])
  func killedHolding(mechanism: PiMechanism) throws {
    let folder = "/tmp/die-holding-\(UInt32.random(in: 0 ... .max))"
    #expect(try Command.run("/bin/mkdir", [folder]).exitCode == 0)
    defer { _ = try? Command.run("/bin/rm", ["-r", folder]) }
    let library = "\(folder)/die_holding.so"
    let build = try Command.run(
      "/usr/bin/cc", ["-shared", "-fPIC", "-o", library, "\(Package.root)/Tests/Peers/die_holding.c", "-ldl"])
    try #require(build.exitCode == 0, "\(build.errors)")
    let run = try Isolated.run(
      ["/usr/bin/env", "LD_PRELOAD=\(library)", ipc, "pi", "--terms", "1000", "--via", mechanism.rawValue],
      environment: ["DIE_HOLDING_MARK": "\(folder)/mark"])
    #expect(run.exitCode == 1)
    #expect(run.errors.contains("ipc: \(mechanism.rawValue): worker "))
    #expect(run.errors.hasSuffix("was killed by signal 9 (SIGKILL)\n"))
    #expect(run.left == [])
  }

  @Test("when there are 5,000 workers and 256 descriptors: some succeed, the others name the limit")
  func manyWorkers() throws {
    for mechanism in ["pipe", "socket-pair"] {
      let run = try Isolated.run(
        [ipc, "pi", "--workers", "5000", "--terms", "5000", "--via", mechanism, "--json"],
        options: ["--limit", "nofile=256"])
      #expect(run.exitCode == 1)
      #expect(run.errors.hasPrefix("ipc: \(mechanism): ") && run.errors.contains("RLIMIT_NOFILE (256)"))
      #expect(run.errors.filter(\.isNewline).count == 1)
      #expect(run.left == [])
    }
    let run = try Isolated.run(
      [ipc, "pi", "--workers", "5000", "--terms", "5000", "--via", "anonymous-memory", "--json"],
      options: ["--limit", "nofile=256"])
    #expect(run.exitCode == 0 && run.left == [])
  }

  @Test(
    "when an object may not be created, which names the limit",
    arguments: [
      ("posix-message-queue", ["--limit", "msgqueue=0"], "RLIMIT_MSGQUEUE"),
      ("posix-message-queue", ["--sysctl", "fs.mqueue.msg_max=1"], "fs.mqueue.msg_max (1)"),
      ("system-v-message-queue", ["--sysctl", "kernel.msgmni=0"], "kernel.msgmni (0)"),
      ("system-v-shared-memory", ["--sysctl", "kernel.shmmni=0"], "kernel.shmmni (0)"),
      ("system-v-shared-memory", ["--sysctl", "kernel.sem=0 0 0 0"], "kernel.sem"),
      ("posix-shared-memory", ["--shm", "4k"], "/dev/shm"),
    ])
  func refused(mechanism: String, options: [String], limit: String) throws {
    let run = try Isolated.run([ipc, "pi", "--terms", "1000", "--via", mechanism, "--json"], options: options)
    #expect(run.exitCode == 1)
    #expect(run.errors.hasPrefix("ipc: \(mechanism): ") && run.errors.contains(limit), "\(run.errors)")
    #expect(run.errors.filter(\.isNewline).count == 1)
    #expect(run.left == [])
  }
}
