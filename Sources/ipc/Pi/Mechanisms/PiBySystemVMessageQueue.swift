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
    return try team.collect { number, timeout in
      try PartialSum(queue.receive(.type(number + 1), timeout: timeout).bytes)
    }
  }
}
