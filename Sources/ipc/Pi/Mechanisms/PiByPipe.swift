import BasicContainers
import Interprocess

/// One pipe a child. Each process closes the ends it does not use, so that a child that dies ends its pipe.
enum PiByPipe: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    var pipes = UniqueArray<Pipe>()
    defer { team.end() }
    for worker in team.workers {
      pipes.append(try Pipe())
      try team.fork(worker) { sum in
        var own = pipes.removeLast()
        pipes.removeAll()
        try own.reader.close()
        try own.writer.write(sum.bytes)
      }
      try pipes[worker].writer.close()
    }
    return try team.collect { number, timeout in
      try PartialSum(pipes[number].reader.read(exactly: PartialSum.byteCount, timeout: timeout))
    }
  }
}
