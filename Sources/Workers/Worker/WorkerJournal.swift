import Interprocess
import Synchronization

/// Where a worker notes which call it has begun, when, and which element of a chunk it is at, in memory that nobody but it
/// and its pool has: by this the pool decides what a worker's death is the fault of, and whether a call's time is over.
struct WorkerJournal: ~Copyable, Sendable {
  private let mapping: Mapping

  static func create() throws(InterprocessError) -> AnonymousMemory {
    try AnonymousMemory(byteCount: 3 * MemoryLayout<UInt64>.size, label: "interprocess-journal")
  }

  init(_ mapping: consuming Mapping) { self.mapping = mapping }

  /// The call begun last; 0 before the first.
  /// Acquiring: pairs with the store in `begin`, so that what is noted of the call is not of the one before.
  var call: UInt64 { (try? mapping.withAtomic(UInt64.self, at: 0) { $0.load(ordering: .acquiring) }) ?? 0 }

  /// When it began, by CLOCK_MONOTONIC, in nanoseconds.
  var began: Int64 { (try? mapping.withAtomic(Int64.self, at: 16) { $0.load(ordering: .relaxed) }) ?? 0 }

  /// How long this call has run; nothing where it has not begun. The worker says so, which may say anything.
  func timeRun(_ call: UInt64) -> Duration {
    guard self.call == call else { return .zero }
    let (time, overflow) = MonotonicTime.now.subtractingReportingOverflow(began)
    return overflow ? .zero : .nanoseconds(max(0, time))
  }

  /// The element being computed.
  var element: UInt64 {
    (try? mapping.withAtomic(UInt64.self, at: 8) { $0.load(ordering: .relaxed) }) ?? FoundFunction.noElement
  }

  /// The numbers, for as long as the journal is mapped.
  var marks: Marks {
    // It has room for them, on both sides.
    mapping.withUnsafeBytes {
      Marks(words: UnsafePointer($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Atomic<UInt64>.self)))
    }
  }

  /// Relaxed, but for the call: the element is read once the process has ended.
  struct Marks: @unchecked Sendable {
    // Sendable: the words are atomic.
    fileprivate let words: UnsafePointer<Atomic<UInt64>>

    /// To be said before anything of the call runs.
    func begin(_ call: UInt64, at time: Int64) {
      words[1].store(FoundFunction.noElement, ordering: .relaxed)
      words[2].store(UInt64(bitPattern: time), ordering: .relaxed)
      words[0].store(call, ordering: .releasing)
    }

    var element: UnsafePointer<Atomic<UInt64>> { words + 1 }
  }
}
