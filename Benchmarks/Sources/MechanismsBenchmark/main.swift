import BenchmarkSupport
import Glibc

runBenchmark("mechanisms-benchmark") {
  let options = try Options(CommandLine.arguments.dropFirst())
  let mechanisms: [any Mechanism.Type] = [
    POSIXQueueLoop.self, SystemVQueueLoop.self, POSIXSemaphoreLoop.self, SystemVSemaphoreLoop.self, PipeLoop.self,
    SocketLoop.self, NamedPipeLoop.self, PacketLoop.self, EventCounterLoop.self, UnnamedSemaphoreLoop.self,
    SharedMutexLoop.self, FileLockLoop.self,
  ].filter { options.only.map($0.name.contains) ?? true }
  var table = Table()
  table.printHeader()
  var times: [(name: String, seconds: Double)] = []
  for mechanism in mechanisms {
    let benchmark = MechanismBenchmark(
      mechanism: mechanism, rounds: options.rounds, python: Python(interpreter: options.python))
    times += try benchmark.run(table: &table)
  }
  if options.only.map(StreamHeads.name.contains) ?? true { try StreamHeads.run(rounds: options.rounds, &table) }
  print()
  print("\(options.rounds) rounds; median times here of a message, or of a release and an acquire:")
  for (name, seconds) in times { print("  \(name): \((1e9 * seconds).formatted(decimals: 0)) ns") }
  if table.hasMissed && options.isStrict { exit(1) }
}
