/// One measure of every mechanism as bars on a scale of powers of ten: a bar for each pinning, and a mark where the loop
/// in C is.
struct BarChart {
  let title: String
  let results: [BenchResult]
  let measure: BenchCell.Measure

  private static let left = 170.0
  private static let right = 80.0
  private static let plot = 600.0
  private static let barHeight = 12.0
  private static let groupGap = 9.0
  private static let top = 26.0

  /// - Returns: `nil` where nothing of it was measured.
  init?(_ run: BenchRun, _ measure: BenchCell.Measure, bytes: Int) {
    results = run.results.filter { $0.cell.measure == measure && $0.cell.bytes == bytes && $0.value.isFinite }
    if results.isEmpty { return nil }
    self.measure = measure
    title =
      measure == .roundTrip
      ? "Round trip of \(BenchUnit.size(bytes)): shorter is better"
      : "Throughput in messages of \(BenchUnit.size(bytes)): longer is better"
  }

  var svg: String {
    var names: [String] = []
    for result in results where !names.contains(result.name) { names.append(result.name) }
    guard let scale = LogScale(results.flatMap { [$0.value, $0.raw ?? $0.value] }) else { return "" }
    let groups = names.map { name in results.filter { $0.name == name } }
    let bars: Int = groups.reduce(0) { $0 + $1.count }
    let height: Double = Self.top + Double(bars) * Self.barHeight + Double(groups.count) * Self.groupGap + 4
    var svg = SVG(width: Self.left + Self.plot + Self.right, height: height, label: title)
    axis(scale, height, &svg)
    var y = Self.top
    for group in groups {
      let size = Double(group.count) * Self.barHeight
      svg.words(Self.left - 8, y + size / 2 + 4, group[0].name, "name", .end)
      for (index, result) in group.enumerated() {
        bar(result, scale, y + Double(index) * Self.barHeight, &svg)
      }
      y += size + Self.groupGap
    }
    return svg.text
  }

  private func axis(_ scale: LogScale, _ height: Double, _ svg: inout SVG) {
    for tick in scale.ticks {
      let x = Self.left + scale.place(tick) * Self.plot
      svg.line(x, Self.top - 6, x, height - 4, "grid")
      svg.words(x, 13, ChartUnit.tick(tick, measure), "tick", .middle)
    }
  }

  /// The room that a value's words take.
  private static let words = 60.0

  private func bar(_ result: BenchResult, _ scale: LogScale, _ y: Double, _ svg: inout SVG) {
    let end = Self.left + scale.place(result.value) * Self.plot
    let value = BenchUnit.value(result.value, measure)
    let raw = result.raw.map { "; the loop in C: \(BenchUnit.value($0, measure))" } ?? ""
    svg.bar(
      Self.left, y, end - Self.left, Self.barHeight - 2, "fill-\(result.cell.pinning.rawValue)",
      title: "\(result.name), \(ChartUnit.pinning(result.cell.pinning)): \(value)\(raw)")
    var after = end
    if let raw = result.raw {
      let x = Self.left + scale.place(raw) * Self.plot
      svg.line(x, y - 1, x, y + Self.barHeight - 1, "raw")
      if x > end, x < end + Self.words { after = x }
    }
    svg.words(after + 5, y + Self.barHeight - 3, value, "value")
  }
}

/// Words beside a chart.
enum ChartUnit {
  static func tick(_ value: Double, _ measure: BenchCell.Measure) -> String {
    let units = measure == .roundTrip ? ["ns", "us", "ms", "s"] : ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]
    var (scaled, unit) = (value, 0)
    while scaled >= 999, unit < units.count - 1 { (scaled, unit) = (scaled / 1000, unit + 1) }
    return formatted("%.0f ", scaled) + units[unit]
  }

  static func pinning(_ pinning: BenchCell.Pinning) -> String {
    switch pinning {
    case .same: "both on one CPU"
    case .different: "on two CPUs"
    case .free: "free to move"
    }
  }
}
