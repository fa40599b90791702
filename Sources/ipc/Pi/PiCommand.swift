import ArgumentParser
import CInterprocess
import Glibc

struct PiCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pi",
    abstract: "Compute pi with worker processes, over each mechanism in turn.",
    discussion: """
      Pi is the square root of 8 times the sum of 1/(2k+1)^2. The terms are shared out among worker processes, \
      which this one forks; each sums its slice and hands the partial sum to its parent by the mechanism named, \
      and by nothing else. 10,000,000 terms give 3.14159262176.

      The columns: the mechanism, pi, its difference from the true value, the time from before the first fork to after \
      the last child was reaped, and how many times faster that is than the same sum in one process.

      Mechanisms: \(PiMechanism.allCases.map(\.rawValue).joined(separator: ", ")).

      With --pool the job runs on the pool of workers of the product Workers, which outlives their crashes (a slice \
      whose worker is killed is an error, all the same), over each mechanism whose channels go both ways: all but \(PiMechanism.oneWay.map(\.rawValue).joined(separator: " and ")). \
      The time is from before the pool is made to after its last process has gone.

      EXAMPLES
        ipc pi                               every mechanism
        ipc pi --pool                        every mechanism that a pool can use
        ipc pi --via pipe --via unix-socket  these two
        ipc pi --terms 1000000000 --workers 2
        ipc pi --json                        an object a line: mechanism, pi, seconds, terms, workers

      The exit code is 0 when every mechanism gave its result, 1 when one did not, 64 for arguments that make no sense, \
      and 128 + N after signal N.
      """)

  @Option(
    name: .customLong("via"),
    help: ArgumentHelp("A mechanism to use; may be given several times. (default: all)", valueName: "mechanism"),
    transform: mechanism(named:))
  var mechanisms: [PiMechanism] = []

  @Option(parsing: .unconditional, help: ArgumentHelp("How many terms to sum.", valueName: "n"))
  var terms = 10_000_000

  @Option(parsing: .unconditional, help: ArgumentHelp("How many processes to fork.", valueName: "n"))
  var workers = 10

  @Flag(help: "Use a pool of workers.")
  var pool = false

  @Flag(help: "Print one JSON object a line.")
  var json = false

  /// Up to here the odd numbers 2k+1 are exact as doubles.
  private static let mostTerms = 1 << 52
  private static let mostWorkers = 100_000

  func validate() throws {
    guard (1...Self.mostTerms).contains(terms) else {
      throw ValidationError("--terms \(terms): give a number from 1 to \(Self.mostTerms)")
    }
    guard (1...Self.mostWorkers).contains(workers) else {
      throw ValidationError("--workers \(workers): give a number from 1 to \(Self.mostWorkers)")
    }
    if pool, let mechanism = mechanisms.first(where: PiMechanism.oneWay.contains) {
      throw ValidationError("--pool --via \(mechanism.rawValue): a pool needs a mechanism that goes both ways")
    }
  }

  func run() throws {
    Interruption.startCatching()
    // Whoever started the program may have it ignored, and children reaped by nobody cannot be waited for.
    signal(SIGCHLD, SIG_DFL)
    let job = PiJob(terms: terms, workers: workers)
    let alone = json ? nil : try PiRun.timeInOneProcess(job)
    if alone != nil { printNow(PiReport.header) }
    var haveFailed = false
    for mechanism in mechanisms.isEmpty ? defaultMechanisms : mechanisms {
      let progress = Progress(mechanism.rawValue)
      let result = Result {
        pool ? try PiRun(onPool: job, via: mechanism) : try PiRun(job, via: mechanism, progress: progress)
      }
      progress.clear()
      switch result {
      case .success(let run):
        printNow(PiReport.line(for: run, job: job, alone: alone))
        if run.workers < job.workers {
          complain(
            "\(mechanism.rawValue): \(run.workers) workers, for which RLIMIT_MSGQUEUE has room; ulimit -q raises it")
        }
      case .failure(let signalled as Interruption.Signalled): throw signalled
      case .failure(let error):
        complain("\(mechanism.rawValue): \(error)")
        haveFailed = true
      }
    }
    if let alone { printNow(PiReport.footer(job, alone: alone)) }
    try finishOutput()
    if haveFailed { throw ExitCode.failure }
  }

  private var defaultMechanisms: [PiMechanism] {
    pool ? PiMechanism.allCases.filter { !PiMechanism.oneWay.contains($0) } : PiMechanism.allCases
  }

  private static func mechanism(named name: String) throws -> PiMechanism {
    if let mechanism = PiMechanism(rawValue: name) { return mechanism }
    let names = PiMechanism.allCases.map(\.rawValue)
    let suggestion = names.nearest(to: name).map { "; did you mean \($0)?" } ?? ""
    throw ValidationError("there is no such mechanism\(suggestion)")
  }
}

/// What `ipc pi` prints.
enum PiReport {
  static var header: String { row("mechanism", "pi", "error", "time", "speed") }

  static func line(for run: PiRun, job: PiJob, alone: Duration?) -> String {
    guard let alone else {
      return """
        {"mechanism":"\(run.mechanism.rawValue)","pi":\(run.pi),"seconds":\(run.elapsed.seconds),\
        "terms":\(job.terms),"workers":\(run.workers)}
        """
    }
    return row(
      run.mechanism.rawValue, formatted("%.11f", run.pi), formatted("%+.2e", run.pi - .pi), run.elapsed.readable,
      formatted("%.2fx", alone.seconds / run.elapsed.seconds))
  }

  static func footer(_ job: PiJob, alone: Duration) -> String {
    let cores = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    return "\(job.terms.grouped) terms, \(job.workers.grouped) workers, \(cores) cores; "
      + "the sum in one process: \(alone.readable)"
  }

  private static func row(_ name: String, _ pi: String, _ error: String, _ time: String, _ speed: String) -> String {
    name.padded(24) + pi.padded(16) + error.padded(12) + time.padded(-10) + speed.padded(-9)
  }
}
