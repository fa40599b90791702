import BenchmarkSupport
import Glibc

runBenchmark("codec-benchmark") {
  let options = try Options(CommandLine.arguments.dropFirst())
  var table = Table()
  table.printHeader()
  var benchmark = CodecBenchmark(rounds: options.rounds, python: options.python)
  try benchmark.run(table: &table)
  print()
  print("\(options.rounds) rounds; median times here:")
  for (name, times) in benchmark.times { print("  \(name): \((1e6 * times.median).formatted(decimals: 0)) us") }
  if table.hasMissed && options.isStrict { exit(1) }
}
