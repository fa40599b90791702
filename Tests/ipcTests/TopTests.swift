import Glibc
import TestSupport
import Testing

@testable import ipc

private let ipc = Package.program("ipc")

@Suite("ipc top", .blocking)
struct TopTests {
  /// A program with a pool of two workers, of which one runs a call; it lives until `body` returns.
  private func withPool(_ body: (pid_t) throws -> Void) throws {
    let process = try Command.start(Package.program("workers-helper"), ["pool"])
    defer {
      kill(process, SIGKILL)
      waitpid(process, nil, 0)
    }
    try body(process)
  }

  private func eventually(_ arguments: [String], _ condition: (Command) -> Bool) throws -> Command {
    let end = ContinuousClock.now + generous
    while true {
      let run = try Command.run(ipc, arguments)
      if condition(run) || ContinuousClock.now > end { return run }
      usleep(20_000)
    }
  }

  @Test("one look shows each worker of a pool: what it does, and what it uses")
  func onceAndJSON() throws {
    try withPool { process in
      let look = try eventually(["top", "\(process)", "--json"]) { run in
        run.output.contains("\"busy\"") && run.lines.count == 2
      }
      #expect(look.exitCode == 0 && look.errors.isEmpty, "\(look)")
      let busy = try #require(look.lines.first { $0.contains("\"state\":\"busy\"") })
      #expect(busy.hasPrefix("{\"pool\":\(process),\"worker\":"))
      #expect(
        busy.contains("\"call\":\"WorkerPrograms.Subject.poll()\"") && busy.contains("\"callSeconds\":"), "\(busy)")
      #expect(!busy.contains("\"residentBytes\":null") && !busy.contains("\"processorSeconds\":null"))
      let idle = try #require(look.lines.first { $0.contains("\"state\":\"idle\"") })
      #expect(idle.contains("\"call\":null,\"callSeconds\":null") && idle.contains("\"crashes\":0"))

      let table = try Command.run(ipc, ["top", "\(process)", "--once"])
      #expect(table.exitCode == 0)
      #expect(table.lines.first == "pool of process \(process) (workers-helper), workers: 2")
      #expect(table.lines.count == 4 && table.output.contains("WorkerPrograms.Subject.poll()"))
      let byName = try Command.run(ipc, ["top", "workers-helper", "--once"])
      #expect(byName.output.contains("pool of process \(process) "))
    }
  }

  @Test("the live view shows as much as the screen has room for, and says what is missing")
  func screen() throws {
    let lines = ["pool", "worker 1", "worker 2", "worker 3"]
    #expect(Screen(rows: 5, columns: 6).showing(lines) == ["pool", "worker", "worker", "worker"])
    #expect(Screen(rows: 4, columns: 99).showing(lines).first == "pool")
    #expect(Screen(rows: 4, columns: 99).showing(lines).last == "and 2 more lines, for a higher window or --once")
    #expect(Screen(rows: 1, columns: 99).showing(lines).count == 1)
    let script = """
      import fcntl, os, pty, select, signal, struct, sys, termios, time
      child, terminal = pty.fork()
      if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 60, 0, 0))
        os.execve(sys.argv[1], sys.argv[1:], {"TERM": "xterm"})
      text, end = b"", time.monotonic() + 10
      while text.count(b"\\x1b[H") < 3 and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]: text += os.read(terminal, 65536)
      os.kill(child, signal.SIGINT)
      os.waitpid(child, 0)
      sys.stdout.buffer.write(text)
      """
    try withPool { process in
      _ = try eventually(["top", "\(process)", "--json"]) { $0.lines.count == 2 }
      let run = try Command.run(
        "/usr/bin/env", ["python3", "-c", script, ipc, "top", "\(process)", "--interval", "0.05"])
      #expect(
        run.exitCode == 0 && run.output.contains("more lines, for a higher window"), "\(run.output) \(run.errors)")
    }
  }

  @Test("the live view goes on until the pool's process has ended")
  func live() throws {
    let process = try Command.start(Package.program("workers-helper"), ["pool"])
    _ = try eventually(["top", "\(process)", "--json"]) { $0.exitCode == 0 }
    let run = try Command.run(ipc, ["top", "\(process)", "--interval", "0.05"]) { _ in
      usleep(400_000)
      kill(process, SIGKILL)
      waitpid(process, nil, 0)
    }
    #expect(run.exitCode == 0, "\(run)")
    #expect(run.lines.filter { $0.hasPrefix("pool of process") }.count > 1)
  }

  @Test("where there is no pool, one line says so")
  func absence() throws {
    let sleeper = try Command.start("/bin/sleep", ["60"])
    defer {
      kill(sleeper, SIGKILL)
      waitpid(sleeper, nil, 0)
    }
    for (name, expected) in [
      ("\(sleeper)", "has no pool"), ("0", "there is no process 0"), ("no-such-program", "no process called no-such"),
    ] {
      let run = try Command.run(ipc, ["top", name, "--once"])
      #expect(run.exitCode == 1 && run.output.isEmpty)
      #expect(run.errors.contains(expected) && run.errors.filter(\.isNewline).count == 1, "\(run.errors)")
    }
    let run = try Command.run(ipc, ["top", "--interval", "0"])
    #expect(run.exitCode == 64)
  }

  @Test("a stopped worker is told from one that runs, whatever its program is called")
  func parsing() throws {
    let fields = (4...40).map { $0 == 14 ? "300" : $0 == 15 ? "100" : $0 == 24 ? "256" : "0" }
    let usage = try #require(ProcessUsage(parsing: "7 (a ) b) T \(fields.joined(separator: " "))"))
    #expect(usage.isStopped)
    #expect(usage.processorSeconds == 400 / Double(sysconf(CInt(_SC_CLK_TCK))))
    #expect(usage.residentBytes == 256 * sysconf(CInt(_SC_PAGESIZE)))
    #expect(ProcessUsage(parsing: "7 (a) R 1") == nil)
  }
}
