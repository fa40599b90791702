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
