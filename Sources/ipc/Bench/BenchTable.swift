/// Results as lines of words.
enum BenchTable {
  static let header = row(
    "mechanism", "what", "CPUs", "channel", "p50", "p99", "p99.9", "loop in C", "ratio", "CPU")

  static func line(for result: BenchResult) -> String {
    let cell = result.cell
    func time(_ level: Double) -> String { result.latency(level).map(BenchUnit.time) ?? "" }
    return row(
      result.name, what(cell), cell.pinning.rawValue, BenchUnit.value(result.value, cell.measure), time(50), time(99),
      time(99.9), result.raw.map { BenchUnit.value($0, cell.measure) } ?? note(result),
      result.ratio.map(BenchUnit.digits) ?? "-", BenchUnit.digits(result.cpu))
  }

  static func what(_ cell: BenchCell) -> String {
    BenchUnit.size(cell.bytes) + (cell.measure == .roundTrip ? " there and back" : " one way")
  }

  /// Why there is no loop in C.
  static func note(_ result: BenchResult) -> String { BenchPeer(rawValue: result.name) == nil ? "too long" : "-" }

  private static func row(
    _ name: String, _ what: String, _ cpus: String, _ value: String, _ p50: String, _ p99: String, _ p999: String,
    _ raw: String, _ ratio: String, _ cpu: String
  ) -> String {
    name.padded(23) + what.padded(21) + cpus.padded(10) + [value, p50, p99, p999, raw].map { $0.padded(-10) }.joined()
      + ratio.padded(-7) + cpu.padded(-6)
  }
}
