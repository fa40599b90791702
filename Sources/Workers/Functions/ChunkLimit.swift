/// How many elements make a chunk: as many as take a few milliseconds, measured.
struct ChunkLimit {
  /// How long a chunk takes, roughly.
  static let nanoseconds: Int64 = 4_000_000
  private static let largest = 65536
  /// How much larger a chunk may be than the last one, on the word of one measurement.
  private static let largestStep: Double = 16

  /// Of one element.
  private var nanoseconds: Double?

  /// One until something has been measured.
  var count: Int {
    guard let nanoseconds else { return 1 }
    return max(1, Int(min(Double(Self.largest), Double(Self.nanoseconds) / max(nanoseconds, 1))))
  }

  /// So many were too many, or too long: chunks grow again from a quarter of that.
  mutating func noteLoss(of count: Int) {
    let most = Double(max(1, count / 4))
    nanoseconds = max(nanoseconds ?? 0, Double(Self.nanoseconds) / most)
  }

  /// Learns how long so many have taken.
  mutating func note(_ count: Int, tookNanoseconds time: Int64) {
    let each = Double(time) / Double(count)
    if let last = nanoseconds {
      nanoseconds = each < last ? max(each, last / Self.largestStep) : (last + each) / 2
    } else {
      nanoseconds = each
    }
  }
}
