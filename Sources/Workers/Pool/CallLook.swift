import Synchronization

/// How long callers look for their reply, on their own threads, before they suspend: suspending and waking takes some fifty
/// microseconds, as long as many a call.
struct CallLook: ~Copyable, Sendable {
  /// How long calls take lately, in nanoseconds.
  private let usual = Atomic<Int64>(0)

  private static let shortest: Int64 = 20_000
  /// Calls that take longer than half of this are not looked for: their callers' processors have better things to do.
  private static let longest: Int64 = 250_000

  private let count = Atomic<UInt64>(0)

  var nanoseconds: Int64 {
    let twice = 2 * usual.load(ordering: .relaxed)
    if twice <= Self.longest { return max(50_000, twice) }
    // Now and then, for it may be the suspending that takes so long.
    return count.wrappingAdd(1, ordering: .relaxed).newValue % 16 == 0 ? Self.longest : Self.shortest
  }

  /// A call took so long. Relaxed: one that is lost now and then is no loss.
  ///
  /// - Parameter wasSeen: its caller was looking when the reply came; else the time is that of suspending also.
  func note(_ nanoseconds: Int64, wasSeen: Bool) {
    let last = usual.load(ordering: .relaxed)
    usual.store(last + (min(nanoseconds, 2 * Self.longest) - last) / (wasSeen ? 2 : 8), ordering: .relaxed)
  }
}
