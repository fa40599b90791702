import BenchmarkSupport

/// What the command line says.
struct Options {
  private(set) var rounds = 11
  private(set) var isStrict = false
  private(set) var onlyAllocations = false

  init(_ arguments: ArraySlice<String>) throws {
    var arguments = arguments
    while let argument = arguments.popFirst() {
      switch argument {
      case "--rounds": rounds = try arguments.rounds()
      case "--strict": isStrict = true
      case "--allocations": onlyAllocations = true
      case "--help", "-h": throw Help()
      default: throw Failure("\(argument): there is no such option; --help lists them")
      }
    }
  }

  /// Not an error: the user asked for the text.
  struct Help: Error {
    let text = """
      usage: ring-benchmark [--rounds N] [--strict] [--allocations]

      Measures the ring between two processes beside its floors, all in one run, and prints ratios. It needs two
      processors, and Boost's headers (libboost-dev) when it is built for the comparison with spsc_queue.

        --rounds N      how often each is measured (default: 11)
        --allocations   count allocations alone, of the ring and of channels over every mechanism
        --strict        exit with code 1 when a demand was missed or a floor could not be had
      """
  }
}
