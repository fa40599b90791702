import BenchmarkSupport
import Glibc

do {
  let options = try Options(CommandLine.arguments.dropFirst())
  var table = Table()
  table.printHeader()
  var benchmark = RingBenchmark(rounds: options.rounds)
  if options.onlyAllocations {
    try benchmark.countAllocations(table: &table)
    exit(table.hasMissed && options.isStrict ? 1 : 0)
  }
  try benchmark.run(table: &table)
  print()
  print("\(options.rounds) rounds; median times here of a round trip or a message:")
  for (name, times) in benchmark.times { print("  \(name): \(times.median.formatted(decimals: 1)) ns") }
  if table.hasMissed && options.isStrict { exit(1) }
} catch let stop as Options.Help {
  print(stop.text)
} catch {
  let line = Array("ring-benchmark: \(error)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(2)
}
