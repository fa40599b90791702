import BasicContainers
import Interprocess

/// Each child writes its sum to a temporary file of its own; the parent reads the files when all children have ended,
/// and removes them.
enum PiByFile: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    var files = UniqueArray<TemporaryFile>()
    // Children first, then what they use.
    defer { team.end() }
    for worker in team.workers {
      files.append(try TemporaryFile(prefix: "ipc-pi"))
      try team.fork(worker) { sum in
        try files[worker].write(sum.bytes)
      }
    }
    try team.finish()
    return try team.workers.map { worker in
      try PartialSum(files[worker].read()).sum
    }
  }
}
