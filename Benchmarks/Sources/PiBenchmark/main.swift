import BenchmarkSupport
import Glibc

runBenchmark("pi-benchmark") {
  let options = try Options(CommandLine.arguments.dropFirst())
  var table = Table()
  table.printHeader()
  let kernels = KernelBenchmark.run(rounds: options.kernelRounds, table: &table)
  let jobs = try JobBenchmark(ipc: options.ipc).run(rounds: options.jobRounds, table: &table)
  print()
  print("\(options.kernelRounds) rounds of the kernels, \(options.jobRounds) of the jobs; median times here:")
  for (name, times) in kernels + jobs { print("  \(name): \((1000 * times.median).formatted(decimals: 1)) ms") }
  if table.hasMissed && options.isStrict { exit(1) }
}
