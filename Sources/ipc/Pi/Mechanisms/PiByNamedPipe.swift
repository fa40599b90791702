import Interprocess
import SystemPackage

/// One FIFO that all children write: messages of at most PIPE_BUF bytes do not mix.
enum PiByNamedPipe: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let directory = try TemporaryDirectory(prefix: "ipc-pi")
    let path = directory.path.appending("sums")
    try NamedPipe.create(at: path)
    // Kept open for writing too: the stream does not end when, for a moment, no child has it open.
    var reader = try NamedPipe.Reader(opening: path, keepingOpen: true)
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        let writer = try NamedPipe.Writer(opening: path)
        try reader.close()
        try writer.write(sum.bytes)
      }
    }
    return try team.collect { _, timeout in
      try PartialSum(reader.read(exactly: PartialSum.byteCount, timeout: timeout))
    }
  }
}
