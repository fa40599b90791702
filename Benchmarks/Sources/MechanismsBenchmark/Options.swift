import BenchmarkSupport

/// What the command line says.
struct Options {
  private(set) var python = Python.defaultInterpreter
  private(set) var rounds = 301
  private(set) var isStrict = false
  private(set) var only: String?

  init(_ arguments: ArraySlice<String>) throws {
    var arguments = arguments
    while let argument = arguments.popFirst() {
      switch argument {
      case "--python": python = try arguments.value(of: argument)
      case "--rounds": rounds = try arguments.rounds()
      case "--only": only = try arguments.value(of: argument)
      case "--strict": isStrict = true
      case "--help", "-h": throw Help(Self.help)
      default: throw Failure("\(argument): there is no such option; --help lists them")
      }
    }
  }

  private static let help = """
    usage: mechanisms-benchmark [--python PATH] [--rounds N] [--only NAME] [--strict]

    Measures message queues, semaphores, pipes and sockets against C and Python, all in one run, and prints ratios.

      --python PATH   an interpreter with posix_ipc and sysv_ipc (default: .venv/bin/python of the package around
                      this one); what it lacks is skipped
      --rounds N      how often each loop runs (default: 301); Python runs in every 20th round
      --only NAME     only the mechanisms that have NAME in their name
      --strict        exit with code 1 when a demand was missed, or Python was skipped
    """
}
