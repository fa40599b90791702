import ArgumentParser
import CInterprocess
import Glibc

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Show the workers of a pool, and what each is doing.",
    discussion: """
      Shows each worker of the pools that a process has (product Workers): its process id; its state (starting, idle, \
      busy, stopped); the call it runs, and for how long; how many calls it has made; how many workers have crashed in \
      its place; its resident memory; and how much of a processor it used since the last look, or on the first one since \
      it started. A process is named by its id or its program; without one, every pool of this user is shown.

      The pool is not asked: it keeps a page of shared memory, to which /proc leads. Looking costs it nothing.

      EXAMPLES
        ipc top 4711              live, until the process ends or Ctrl-C
        ipc top server --once     one look
        ipc top server --json     one look, a JSON object a worker

      The keys of --json: pool, worker, state, call, callSeconds, calls, crashes, poolCrashes (in all \
      its places so far), residentBytes, processorSeconds. What cannot be known is null.

      The exit code is 0, 1 when there is no pool, and 64 for arguments that make no sense.
      """)

  @Flag(help: "Look once.")
  var once = false

  @Flag(help: "Look once, and print a JSON object a worker.")
  var json = false

  @Option(parsing: .unconditional, help: ArgumentHelp("Seconds between two looks.", valueName: "seconds"))
  var interval = 1.0

  @Argument(help: ArgumentHelp("A process id, or a program's name. (default: every pool)", valueName: "process"))
  var process: String?

  func validate() throws {
    guard interval >= 0.05, interval <= 86_400 else {
      throw ValidationError("--interval \(interval): give seconds from 0.05 to 86400")
    }
  }

  func run() throws {
    Interruption.startCatching()
    let owners = PoolOwners(named: process)
    var look = PoolLook(of: owners.find(), after: nil)
    guard !look.pools.isEmpty else {
      complain(owners.absence)
      throw ExitCode.failure
    }
    if json {
      for line in look.jsonLines { print(line) }
      return try finishOutput()
    }
    let isTerminal = isatty(STDOUT_FILENO) == 1 && getenv("TERM").map { strcmp($0, "dumb") } != 0
    while true {
      let isScreen = isTerminal && !once
      if isScreen { print("\u{1B}[H\u{1B}[2J", terminator: "") }
      for line in isScreen ? Screen.ofStandardOutput.showing(look.lines) : look.lines { print(line) }
      try finishOutput()
      if once { return }
      try pause()
      look = PoolLook(of: owners.find(), after: look)
      if look.pools.isEmpty { return }
      if !isTerminal { print() }
    }
  }

  /// - Throws: when a signal ends the program.
  private func pause() throws {
    let end = ContinuousClock.now + .seconds(interval)
    while ContinuousClock.now < end {
      try Interruption.check()
      usleep(20_000)
    }
    try Interruption.check()
  }
}

/// How much of a terminal there is: what scrolls out at the top is not seen.
struct Screen {
  let rows: Int
  let columns: Int

  static var ofStandardOutput: Screen {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
      return Screen(rows: .max, columns: .max)
    }
    return Screen(rows: Int(size.ws_row), columns: Int(size.ws_col))
  }

  /// As many of the lines as it has room for, and how many more there are; below the last one the cursor has a line.
  func showing(_ lines: [String]) -> [String] {
    let room = max(1, rows - 1)
    var shown = lines
    if lines.count > room {
      shown = lines.prefix(room - 1) + ["and \(lines.count - room + 1) more lines, for a higher window or --once"]
    }
    return shown.map { String($0.prefix(columns)) }
  }
}

/// The processes that may have a pool.
struct PoolOwners {
  let name: String?

  init(named name: String?) { self.name = name }

  func find() -> [CInt] {
    guard let name else { return ProcFile.numbers(in: "/proc").filter { $0 != getpid() }.sorted() }
    if let number = CInt(name) { return [number] }
    // The kernel keeps 15 bytes of a program's name.
    let kept = String(decoding: name.utf8.prefix(15), as: UTF8.self)
    return ProcFile.numbers(in: "/proc").filter { $0 != getpid() && $0.processName == kept }.sorted()
  }

  /// Why there is nothing to show.
  var absence: String {
    guard let name else { return "no process that this user may look into has a pool" }
    if let number = CInt(name) {
      return number.isLiveProcess
        ? "process \(number) has no pool, or this user may not look into it" : "there is no process \(number)"
    }
    return "no process called \(name.printable) that this user may look into has a pool"
  }
}
