import Synchronization

/// How long callers look for their reply, on their own threads, before they suspend: suspending and waking takes some fifty
/// microseconds, as long as many a call.
struct CallLook: ~Copyable, Sendable {
  /// How long calls take lately where their callers look, in nanoseconds.
  private let usual = Atomic<Int64>(0)

  private static let shortest: Int64 = 20_000
  /// Calls that take longer than half of this are not looked for: their callers' processors have better things to do.
  private static let longest: Int64 = 400_000
  private static let leastStep: Int64 = 20_000

  private let count = Atomic<UInt64>(0)

  var nanoseconds: Int64 {
    let twice = 2 * usual.load(ordering: .relaxed)
    if twice <= Self.longest { return max(50_000, twice) }
    // Now and then, for it may be the suspending that takes so long.
    return count.wrappingAdd(1, ordering: .relaxed).newValue % 16 == 0 ? Self.longest : Self.shortest
  }

  /// A call took so long. Relaxed: one that is lost now and then is no loss.
  ///
  /// - Parameters:
  ///   - looked: how long its caller was to look.
  ///   - wasSeen: its reply came meanwhile.
  func note(_ nanoseconds: Int64, lookingFor looked: Int64, wasSeen: Bool) {
    let last = usual.load(ordering: .relaxed)
    if wasSeen {
      // From calls thought to be long, one that is not tells most; one that took long for once tells little.
      let most = 2 * last + Self.leastStep
      usual.store(
        2 * last > Self.longest ? nanoseconds : (3 * last + min(nanoseconds, most)) / 4, ordering: .relaxed)
    } else if looked > Self.shortest, 2 * last <= Self.longest {
      // What it took says little: the time to suspend and to wake is in it.
      usual.store(last + max(last / 4, Self.leastStep), ordering: .relaxed)
    }
  }
}
