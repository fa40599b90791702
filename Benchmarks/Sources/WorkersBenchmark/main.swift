import BenchmarkSupport
import Glibc

do {
  var arguments = CommandLine.arguments.dropFirst()
  var rounds = 5
  var isStrict = false
  var parts: Set<String> = ["calls", "start", "crash", "idle", "large", "python"]
  while let argument = arguments.popFirst() {
    switch argument {
    case "--rounds": rounds = try arguments.rounds()
    case "--strict": isStrict = true
    case "--only": parts = [try arguments.value(of: argument)]
    case "--raw":
      try RawRoundTrip.run(try arguments.value(of: argument))
      exit(0)
    case "--help", "-h":
      throw Help(
        """
        usage: workers-benchmark [--rounds N] [--only PART] [--strict]

        Measures calls in worker processes beside raw round trips and Python's pools, all in one run.

          --rounds N      how often each is measured (default: 5)
          --only PART     calls, start, crash, idle, large or python
          --strict        exit with code 1 when a demand was missed
        """)
    default: throw Failure("\(argument): there is no such option; --help lists them")
    }
  }
  var table = Table()
  table.printHeader()
  try await CallBenchmark(rounds: rounds).run(parts, &table)
  try await LifeBenchmark(rounds: rounds).run(parts, &table)
  if table.hasMissed && isStrict { exit(1) }
} catch let help as Help {
  print(help.text)
} catch {
  let line = Array("workers-benchmark: \(error)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(2)
}
