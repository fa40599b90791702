/// The times, in seconds, that one thing took in many rounds.
package struct Samples {
  private var times: [Double] = []

  package var minimum: Double { times.min() ?? .nan }

  package var median: Double {
    if times.isEmpty { return .nan }
    let sorted = times.sorted()
    let half = times.count / 2
    return times.count.isMultiple(of: 2) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[half]
  }

  package init() {}

  /// How many times as long as `others` it takes: the median of the rounds' own ratios where both ran in every round,
  /// so that what slows a round down for a while falls on both; else the ratio of the medians.
  package func ratio(to others: Samples) -> Double {
    guard times.count == others.times.count else { return median / others.median }
    return Samples(of: zip(times, others.times).map { $0 / $1 }).median
  }

  /// Times that another program has measured.
  package init(of times: [Double]) { self.times = times }

  package mutating func append(_ seconds: Double) { times.append(seconds) }
}

extension Samples {
  /// Runs `body` and appends how long it took.
  package mutating func time<Result>(_ body: () throws -> Result) rethrows -> Result {
    let clock = ContinuousClock()
    let start = clock.now
    let result = try body()
    append((clock.now - start).seconds)
    return result
  }
}

extension Duration {
  fileprivate var seconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}
