import BenchmarkSupport

/// What the command line says.
struct Options {
  private(set) var ipc = Location.ipc
  private(set) var jobRounds = 41
  private(set) var isStrict = false

  /// They are short, and their ratio is the one with the least to spare.
  var kernelRounds: Int { 5 * jobRounds }

  init(_ arguments: ArraySlice<String>) throws {
    var arguments = arguments
    while let argument = arguments.popFirst() {
      switch argument {
      case "--ipc": ipc = try arguments.value(of: argument)
      case "--rounds": jobRounds = try arguments.rounds()
      case "--strict": isStrict = true
      case "--help", "-h": throw Help(Self.help)
      default: throw Failure("\(argument): there is no such option; --help lists them")
      }
    }
  }

  private static let help = """
    usage: pi-benchmark [--ipc PATH] [--rounds N] [--strict]

    Measures the pi job against C and Python, all in one run, and prints ratios.

      --ipc PATH   the ipc binary (default: the release build of the package around this one)
      --rounds N   how often each job runs (default: 41); Python runs in every tenth round
      --strict     exit with code 1 when a demand was missed
    """
}
