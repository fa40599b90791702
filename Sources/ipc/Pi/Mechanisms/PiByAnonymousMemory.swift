import Interprocess
import Synchronization

/// Memory without a name, mapped before the forks. Each child has an atomic slot, and next to it a flag that the parent
/// waits for with a futex.
enum PiByAnonymousMemory: SumCarrier {
  private static let slotSize = 16
  private static let flagOffset = 8

  static func partialSums(by team: inout Team) throws -> [Double] {
    let memory = try AnonymousMemory(byteCount: slotSize * team.workers.count, label: "ipc-pi")
    defer { team.end() }
    for worker in team.workers {
      try team.fork(worker) { sum in
        let slot = slotSize * worker
        try memory.mapping.withAtomic(UInt64.self, at: slot) { $0.store(sum.sum.bitPattern, ordering: .relaxed) }
        // Pairs with the acquiring load below: whoever sees the flag sees the sum.
        try memory.mapping.withAtomic(UInt32.self, at: slot + flagOffset) { $0.store(1, ordering: .releasing) }
        try memory.mapping.wake(at: slot + flagOffset)
      }
    }
    return try team.collect { worker, timeout in
      let slot = slotSize * worker
      while try memory.mapping.withAtomic(UInt32.self, at: slot + flagOffset, { $0.load(ordering: .acquiring) }) == 0 {
        try memory.mapping.wait(at: slot + flagOffset, while: 0, timeout: timeout)
      }
      let pattern = try memory.mapping.withAtomic(UInt64.self, at: slot) { $0.load(ordering: .relaxed) }
      return PartialSum(worker: worker, sum: Double(bitPattern: pattern))
    }
  }
}
