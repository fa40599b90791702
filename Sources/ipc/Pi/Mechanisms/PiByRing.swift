import Interprocess

/// One ring a child, in memory that all inherit, and one bell for all.
enum PiByRing: SumCarrier {
  private static let capacity = 128

  static func partialSums(by team: inout Team) throws -> [Double] {
    let count = team.workers.count
    let memory = try Ring.create(capacity: capacity, count: count, label: "ipc-pi")
    let bell = try EventCounter()
    var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: capacity, count: count, bell: bell)
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        var producer = try RingMailbox.producer(worker, of: memory.mapping, capacity: capacity, ringing: bell)
        try producer.send(sum.bytes)
      }
    }
    return try team.collect { _, timeout in
      guard let (worker, message) = try mailbox.receive(timeout: timeout) else {
        throw JobFailure("every ring has ended, and sums are missing")
      }
      let sum = try PartialSum(message)
      guard sum.worker == worker else { throw JobFailure("worker \(worker) sent the sum of \(sum.worker)") }
      return sum
    }
  }
}
