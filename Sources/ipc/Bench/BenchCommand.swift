import ArgumentParser
import CInterprocess
import Glibc
import Interprocess

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure each mechanism between two processes here, beside a loop in C.",
    discussion: """
      For each mechanism two processes exchange messages over a Channel: round trips of 8 B and 4 KiB, and one way as \
      fast as they go, 64 B to 1 MiB. First both are on the same CPU, then on different ones, then free to be moved. In \
      turns with it, slice by slice, runs a loop in C over the same mechanism; the ratio to it is the median of the \
      slices'. Round trips: above 1 the channel takes longer. Throughput: below 1 the channel is slower.

      file and mapped-file go one way: a round trip takes two of them. The loop in C over shared memory is a ping-pong \
      of cache lines that spins, or on one CPU sleeps on a futex; one way it fills slots of one size, and above 4 KiB it \
      is one memcpy into the memory, of which a channel makes two. A message that is longer than the mechanism takes has \
      no loop in C, and the channel cuts it.

      Both sides ignore SIGPIPE, as servers do: a pipe is written by write() then.

      CPU is how many CPU seconds both processes burn a second: what spins is fast and burns up to 2.

      Mechanisms: \(Mechanism.allCases.map(\.rawValue).joined(separator: ", ")).

      EXAMPLES
        ipc bench                                everything, in some three minutes
        ipc bench --quick --via pipe --via ring  these two, in a few seconds
        ipc bench --html report.html             with plots
        ipc bench --peers                        also ZeroMQ, nng, Boost and Python, where they are installed

      The keys of --json: mechanism, measure (round-trip or throughput), bytes, pinning (same, different, free), value \
      (nanoseconds, or bytes a second), for round trips p50, p99 and p999, raw (the loop in C), ratio, and cpu. What \
      there is not is null.

      Ctrl-C leaves what was measured. The exit code is 0, 1 when a mechanism could not be measured, 64 for arguments \
      that make no sense, and 128 + N after signal N.
      """)

  @Option(
    name: .customLong("via"),
    help: ArgumentHelp("A mechanism to measure; may be given several times. (default: all)", valueName: "mechanism"),
    transform: mechanism(named:))
  var mechanisms: [Mechanism] = []

  @Flag(help: "Measure each less often: all in half a minute, and less exactly.")
  var quick = false

  @Flag(help: "Print one JSON object a line.")
  var json = false

  @Option(help: ArgumentHelp("Write a report with plots, in one file that needs no other.", valueName: "file"))
  var html: String?

  @Flag(help: "Measure ZeroMQ, nng, Boost.Interprocess and Python's multiprocessing as well, where they are installed.")
  var peers = false

  func run() throws {
    Interruption.startCatching()
    // Whoever started the program may have it ignored, and children reaped by nobody cannot be waited for.
    signal(SIGCHLD, SIG_DFL)
    let facts = MachineFacts.read()
    // Before anything is measured that could not be written then.
    var page = try html.map { try HTMLFile(opening: $0) }
    if !json {
      print(facts.line)
      printNow(BenchTable.header)
    }
    if !facts.canPin {
      complain("sched_setaffinity is refused here: measured is only where the kernel puts the processes (free)")
    }
    var run = BenchRun(
      quick ? .quick : .thorough, cells: BenchCell.all(cpus: facts.usableCPUs, canPin: facts.canPin))
    let interruption = try run.measure(
      mechanisms.isEmpty ? Mechanism.allCases : mechanisms, peers: peers ? BenchPeer.allCases : []
    ) { result in
      printNow(json ? result.json : BenchTable.line(for: result))
    }
    if !json { for line in run.closingLines { print(line) } }
    if !run.results.isEmpty {
      try page?.write(BenchPage(facts, run, command: CommandLine.arguments.dropFirst()).text)
    }
    // Closed, or removed where nothing was measured: the next may end the program.
    page = nil
    try finishOutput()
    if let interruption {
      complain("interrupted: \(run.results.count) of \(run.total) measurements were made")
      throw interruption
    }
    if run.hasFailed { throw ExitCode.failure }
  }

  private static func mechanism(named name: String) throws -> Mechanism {
    if let mechanism = Mechanism(rawValue: name) { return mechanism }
    let suggestion = Mechanism.allCases.map(\.rawValue).nearest(to: name).map { "; did you mean \($0)?" } ?? ""
    throw ValidationError("there is no such mechanism\(suggestion)")
  }
}
