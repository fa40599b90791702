import Interprocess

/// Shared memory with a count and one double a worker, which nobody changes without the semaphore.
enum PiByPOSIXSharedMemory: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    let name = PiRun.uniqueName()
    let size = 8 + 8 * team.workers.count
    var memory = try POSIXSharedMemory(creating: name, byteCount: size)
    // The children inherit memory and semaphore, so their names can go at once: nothing is left, however it ends.
    try POSIXSharedMemory.unlink(name)
    let semaphore = try POSIXSemaphore(creating: name, value: 1)
    try POSIXSemaphore.unlink(name)
    defer { team.end() }

    for worker in team.workers {
      try team.fork(worker) { sum in
        try semaphore.acquire()
        var bytes = memory.mapping.mutableBytes
        bytes.storeBytes(of: bytes.unsafeLoad(as: Int.self) + 1, as: Int.self)
        bytes.storeBytes(of: sum.sum, toByteOffset: 8 + 8 * worker, as: Double.self)
        try semaphore.release()
      }
    }
    try team.finish()
    try semaphore.acquire()
    let count = memory.mapping.bytes.unsafeLoad(as: Int.self)
    guard count == team.workers.count else { throw JobFailure("the memory counts \(count) sums") }
    return team.workers.map { memory.mapping.bytes.unsafeLoad(fromByteOffset: 8 + 8 * $0, as: Double.self) }
  }
}
