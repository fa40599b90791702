import BenchmarkSupport

/// What the command line says.
struct Options {
  private(set) var rounds = 101
  private(set) var isStrict = false
  private(set) var python = #filePath.parentPath.parentPath.parentPath.parentPath + "/.venv/bin/python"

  init(_ arguments: ArraySlice<String>) throws {
    var arguments = arguments
    while let argument = arguments.popFirst() {
      switch argument {
      case "--rounds": rounds = try arguments.rounds()
      case "--python": python = try arguments.value(of: argument)
      case "--strict": isStrict = true
      case "--help", "-h": throw Help(Self.help)
      default: throw Failure("\(argument): there is no such option; --help lists them")
      }
    }
  }

  private static let help = """
    usage: codec-benchmark [--rounds N] [--python PATH] [--strict]

    Measures the codec beside Python's cbor2 (its compiled codec) and beside memcpy, and prints ratios.

      --rounds N      how often each is measured (default: 101)
      --python PATH   an interpreter with cbor2 (default: .venv/bin/python of the repository)
      --strict        exit with code 1 when a demand was missed, or cbor2 could not be had
    """
}
