import Interprocess

/// One System V queue that all children send to; the type of a message is the child's number + 1.
enum PiBySystemVMessageQueue: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let queue = try SystemVMessageQueue()
    defer {
      team.end()
      try? queue.remove()
    }
    for worker in team.workers {
      try team.fork(worker) { sum in
        try queue.send(sum.bytes, type: worker + 1)
      }
    }
    // Whichever comes first: to wait for one type would let the others fill the queue and block its sender.
    return try team.collect { _, timeout in
      try PartialSum(queue.receive(timeout: timeout).bytes)
    }
  }
}
