import Interprocess
import Synchronization

/// Where a worker notes which call it has begun, in memory that nobody but it and its pool has. The status page anybody's
/// worker may write on; by this the pool decides whether a dead worker's call has run.
struct WorkerJournal: ~Copyable, Sendable {
  private let mapping: Mapping

  static func create() throws(InterprocessError) -> AnonymousMemory {
    try AnonymousMemory(byteCount: MemoryLayout<UInt64>.size, label: "interprocess-journal")
  }

  init(_ mapping: consuming Mapping) { self.mapping = mapping }

  /// To be said before anything of the call runs. Relaxed: it is read once the process has ended.
  func begin(_ call: UInt64) { try? mapping.withAtomic(UInt64.self, at: 0) { $0.store(call, ordering: .relaxed) } }

  /// The call begun last; 0 before the first.
  var call: UInt64 { (try? mapping.withAtomic(UInt64.self, at: 0) { $0.load(ordering: .relaxed) }) ?? 0 }
}
