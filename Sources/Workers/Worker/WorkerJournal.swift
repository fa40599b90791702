import Interprocess
import Synchronization

/// Where a worker notes which call it has begun, and which element of a chunk it is at, in memory that nobody but it and
/// its pool has: by this the pool decides what a worker's death is the fault of.
struct WorkerJournal: ~Copyable, Sendable {
  private let mapping: Mapping

  static func create() throws(InterprocessError) -> AnonymousMemory {
    try AnonymousMemory(byteCount: 2 * MemoryLayout<UInt64>.size, label: "interprocess-journal")
  }

  init(_ mapping: consuming Mapping) { self.mapping = mapping }

  /// The call begun last; 0 before the first.
  var call: UInt64 { (try? mapping.withAtomic(UInt64.self, at: 0) { $0.load(ordering: .relaxed) }) ?? 0 }

  /// The element being computed.
  var element: UInt64 {
    (try? mapping.withAtomic(UInt64.self, at: 8) { $0.load(ordering: .relaxed) }) ?? FoundFunction.noElement
  }

  /// The two numbers, for as long as the journal is mapped.
  var marks: Marks {
    // It has room for them, on both sides.
    mapping.withUnsafeBytes {
      Marks(words: UnsafePointer($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Atomic<UInt64>.self)))
    }
  }

  /// Relaxed, all of it: it is read once the process has ended.
  struct Marks: @unchecked Sendable {
    // Sendable: the words are atomic.
    fileprivate let words: UnsafePointer<Atomic<UInt64>>

    /// To be said before anything of the call runs.
    func begin(_ call: UInt64) {
      words[1].store(FoundFunction.noElement, ordering: .relaxed)
      words[0].store(call, ordering: .relaxed)
    }

    var element: UnsafePointer<Atomic<UInt64>> { words + 1 }
  }
}
