import Interprocess

/// One POSIX queue that all children send to. It holds fewer messages than there may be workers; the others wait.
enum PiByPOSIXMessageQueue: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let name = PiRun.uniqueName()
    let queue = try POSIXMessageQueue(
      creating: name, maximumMessages: min(team.workers.count, 10), maximumMessageSize: PartialSum.byteCount)
    // The children inherit it open, so its name can go at once: nothing is left, however the program ends.
    try POSIXMessageQueue.unlink(name)
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        try queue.send(sum.bytes)
      }
    }
    return try team.collect { _, timeout in
      try PartialSum(queue.receive(timeout: timeout).bytes)
    }
  }
}
