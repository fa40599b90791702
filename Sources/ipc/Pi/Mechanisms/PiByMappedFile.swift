import Interprocess
import SystemPackage

/// One file, mapped by the parent and shared by all: each child has a slot in it.
enum PiByMappedFile: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let directory = try TemporaryDirectory(prefix: "ipc-pi")
    let file = try MappedFile(
      creating: directory.path.appending("sums"), byteCount: SharedArray<Double>.byteCount(for: team.workers.count))
    let slots = try SharedArray(repeating: Double.nan, count: team.workers.count, in: file)
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        slots[worker] = sum.sum
      }
    }
    try team.finish()
    return Array(slots)
  }
}
