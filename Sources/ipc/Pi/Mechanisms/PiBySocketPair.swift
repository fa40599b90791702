import BasicContainers
import Interprocess

/// One pair of connected sockets a child: the first is the parent's, the second the child's.
enum PiBySocketPair: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    var pairs = UniqueArray<SocketPair>()
    defer { team.end() }
    for worker in team.workers {
      pairs.append(try SocketPair())
      try team.fork(worker) { sum in
        var own = pairs.removeLast()
        pairs.removeAll()
        try own.first.close()
        try own.second.write(sum.bytes)
      }
      try pairs[worker].second.close()
    }
    return try team.collect { number, timeout in
      try PartialSum(pairs[number].first.read(exactly: PartialSum.byteCount, timeout: timeout))
    }
  }
}
