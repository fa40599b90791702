/// What was measured in one ``BenchCell``.
struct BenchResult {
  /// The mechanism's name, or that of a peer.
  let name: String
  let cell: BenchCell
  /// Nanoseconds, or bytes a second: the median of the slices.
  let value: Double
  /// The same of the loop in C; `nil` where it cannot carry such a message, or nobody has written one.
  let raw: Double?
  /// The median of the slices' ratios to the loop in C.
  let ratio: Double?
  /// CPU seconds that both processes burn a second.
  let cpu: Double
  /// Nanoseconds a round trip, at each of ``levels``; none of throughput.
  let latencies: [Double]

  /// The percentiles that are kept.
  static let levels = [1.0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]

  func latency(_ percentile: Double) -> Double? {
    Self.levels.firstIndex(of: percentile).flatMap { latencies.indices.contains($0) ? latencies[$0] : nil }
  }
}

extension BenchResult {
  /// As numbers, for the process that has measured to tell the one that prints.
  var numbers: [Double] { [value, raw ?? .nan, ratio ?? .nan, cpu] + latencies }

  init?(name: String, _ cell: BenchCell, numbers: [Double]) {
    guard numbers.count == 4 || numbers.count == 4 + Self.levels.count else { return nil }
    func known(_ value: Double) -> Double? { value.isNaN ? nil : value }
    self.init(
      name: name, cell: cell, value: numbers[0], raw: known(numbers[1]), ratio: known(numbers[2]), cpu: numbers[3],
      latencies: Array(numbers[4...]))
  }

  var json: String {
    var line = JSONLine()
    line.add("mechanism", name)
    line.add("measure", cell.measure.rawValue)
    line.add("bytes", cell.bytes)
    line.add("pinning", cell.pinning.rawValue)
    line.add("value", value)
    if cell.measure == .roundTrip {
      line.add("p50", latency(50))
      line.add("p99", latency(99))
      line.add("p999", latency(99.9))
    }
    line.add("raw", raw)
    line.add("ratio", ratio)
    line.add("cpu", cpu)
    return line.description
  }
}

/// Numbers for people: three digits and a unit.
enum BenchUnit {
  static func time(_ nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<1e3: "\(digits(nanoseconds)) ns"
    case ..<1e6: "\(digits(nanoseconds / 1e3)) us"
    case ..<1e9: "\(digits(nanoseconds / 1e6)) ms"
    default: "\(digits(nanoseconds / 1e9)) s"
    }
  }

  static func rate(_ bytesPerSecond: Double) -> String {
    switch bytesPerSecond {
    case ..<1e6: "\(digits(bytesPerSecond / 1e3)) kB/s"
    case ..<1e9: "\(digits(bytesPerSecond / 1e6)) MB/s"
    default: "\(digits(bytesPerSecond / 1e9)) GB/s"
    }
  }

  static func size(_ bytes: Int) -> String {
    switch bytes {
    case ..<1024: "\(bytes) B"
    case ..<(1 << 20): "\(bytes >> 10) KiB"
    default: "\(bytes >> 20) MiB"
    }
  }

  static func value(_ value: Double, _ measure: BenchCell.Measure) -> String {
    measure == .roundTrip ? time(value) : rate(value)
  }

  static func digits(_ value: Double) -> String {
    formatted(value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value)
  }
}
