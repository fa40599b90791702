import Interprocess

/// One thing that is measured of a mechanism.
struct BenchCell: Hashable {
  enum Measure: String {
    case roundTrip = "round-trip"
    case throughput
  }

  /// Where the two processes run.
  enum Pinning: String, CaseIterable {
    /// Both on one CPU.
    case same
    /// Each on a CPU of its own.
    case different
    /// Wherever the kernel puts them.
    case free
  }

  let measure: Measure
  let bytes: Int
  let pinning: Pinning

  static let roundTripSizes = [8, 4 << 10]
  static let throughputSizes = [64, 4 << 10, 64 << 10, 1 << 20]
  static let largestMessage = 1 << 20

  /// What is measured of each mechanism, in this order.
  ///
  /// - Parameters:
  ///   - cpus: how many there are; on one alone, two processes cannot be apart.
  ///   - canPin: whether processes may be told where to run.
  static func all(cpus: Int, canPin: Bool = true) -> [BenchCell] {
    let pinnings = canPin ? Pinning.allCases.filter { cpus > 1 || $0 != .different } : [.free]
    return pinnings.flatMap { pinning in
      roundTripSizes.map { BenchCell(measure: .roundTrip, bytes: $0, pinning: pinning) }
        + throughputSizes.map { BenchCell(measure: .throughput, bytes: $0, pinning: pinning) }
    }
  }
}

/// How thoroughly it is measured.
struct BenchEffort {
  /// How often the channel and the loop in C take turns.
  let slices: Int
  /// How long each of them has its turn, in nanoseconds.
  let slice: Double

  static let quick = BenchEffort(slices: 3, slice: 10e6)
  static let thorough = BenchEffort(slices: 9, slice: 30e6)
}
