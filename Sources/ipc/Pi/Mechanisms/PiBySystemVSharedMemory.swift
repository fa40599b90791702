import Interprocess

/// A segment with a count and one double a worker, changed only under a semaphore that the kernel gives back should its
/// holder die (SEM_UNDO).
enum PiBySystemVSharedMemory: SumCarrier {
  static func partialSums(by team: inout Team) throws -> [Double] {
    var memory = try SystemVSharedMemory(byteCount: 8 + 8 * team.workers.count)
    // Marked at once: the kernel frees it when the last process has detached, however that ends.
    try memory.remove()
    let semaphore = try SystemVSemaphoreSet(values: [1])
    defer {
      team.end()
      try? semaphore.remove()
    }

    for worker in team.workers {
      try team.fork(worker) { sum in
        try semaphore.acquire(undo: true)
        var bytes = memory.mapping.mutableBytes
        bytes.storeBytes(of: bytes.unsafeLoad(as: Int.self) + 1, as: Int.self)
        bytes.storeBytes(of: sum.sum, toByteOffset: 8 + 8 * worker, as: Double.self)
        try semaphore.release(undo: true)
      }
    }
    try team.finish()
    try semaphore.acquire(undo: true)
    let count = memory.mapping.bytes.unsafeLoad(as: Int.self)
    guard count == team.workers.count else { throw JobFailure("the segment counts \(count) sums") }
    return team.workers.map { memory.mapping.bytes.unsafeLoad(fromByteOffset: 8 + 8 * $0, as: Double.self) }
  }
}
