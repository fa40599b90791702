/// The times, in seconds, that one thing took in many rounds.
struct Samples {
  private var times: [Double] = []

  var minimum: Double { times.min() ?? .nan }

  var median: Double {
    if times.isEmpty { return .nan }
    let sorted = times.sorted()
    let half = times.count / 2
    return times.count.isMultiple(of: 2) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[half]
  }

  mutating func append(_ seconds: Double) { times.append(seconds) }
}
