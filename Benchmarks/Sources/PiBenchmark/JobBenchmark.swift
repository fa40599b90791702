import BenchmarkSupport

/// The whole job, over each mechanism, in C and in Python. Each job has a fresh process of its own, as the peers have.
struct JobBenchmark {
  private let c = Job("forked pipes in C", [Location.forkedPipes])
  private let python = Job("the article's Python", ["python3", Location.pythonProgram, "pipe"])
  private let mechanisms: [Job]

  private static let mechanismNames = [
    "file", "mapped-file", "pipe", "named-pipe", "socket-pair", "unix-socket", "posix-message-queue",
    "system-v-message-queue", "posix-shared-memory", "system-v-shared-memory", "anonymous-memory", "ring",
  ]

  /// It takes a hundred times as long as the others.
  private static let roundsAPythonRun = 10

  init(ipc: String) {
    mechanisms = Self.mechanismNames.map { Job($0, [ipc, "pi", "--json", "--via", $0]) }
  }

  func run(rounds: Int, table: inout Table) throws -> [(name: String, times: Samples)] {
    let times = try measure(rounds: rounds)
    let pipe = times["pipe", default: Samples()]
    table.add("job: pipe / forked pipes in C", pipe, over: times[c.name, default: Samples()], .atMost(2.5))
    for job in mechanisms where job.name != "pipe" {
      table.add("job: \(job.name) / pipe", times[job.name, default: Samples()], over: pipe, .atMost(2))
    }
    for job in mechanisms {
      let own = times[job.name, default: Samples()]
      table.add("job: Python / \(job.name)", times[python.name, default: Samples()], over: own, .atLeast(40))
    }
    return [c.name, "pipe", python.name].map { ($0, times[$0, default: Samples()]) }
  }

  private func measure(rounds: Int) throws -> [String: Samples] {
    var times: [String: Samples] = [:]
    for round in 0..<rounds {
      var jobs = mechanisms + [c]
      if round.isMultiple(of: Self.roundsAPythonRun) { jobs.append(python) }
      // In another order each time: what one leaves behind falls on all alike.
      for job in jobs.shuffled() { times[job.name, default: Samples()].append(try job.seconds()) }
    }
    return times
  }
}
