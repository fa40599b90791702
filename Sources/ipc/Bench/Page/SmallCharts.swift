/// A small chart for each mechanism, all of them on the same scales: a line for each pinning.
struct SmallCharts {
  struct Point {
    let x: Double
    let y: Double
    let title: String
  }

  struct Line {
    let pinning: BenchCell.Pinning
    let points: [Point]
    /// Where the loop in C is.
    var raw: [Point] = []
  }

  let charts: [(name: String, lines: [Line])]
  private let measure: BenchCell.Measure
  /// The words below each place on the x axis.
  private let xTicks: [(place: Double, words: String)]

  private static let width = 250.0
  private static let height = 150.0
  private static let left = 52.0
  private static let right = 18.0
  private static let top = 22.0
  private static let bottom = 20.0

  /// Throughput by the size of a message.
  static func throughput(_ run: BenchRun) -> SmallCharts {
    let sizes = BenchCell.throughputSizes
    func place(_ bytes: Int) -> Double {
      Double(sizes.firstIndex(of: bytes) ?? 0) / Double(sizes.count - 1)
    }
    return SmallCharts(run, .throughput, sizes.map { (place($0), BenchUnit.size($0)) }) { results in
      Line(
        pinning: results[0].cell.pinning,
        points: results.map { result in
          let rate = BenchUnit.rate(result.value)
          return Point(
            x: place(result.cell.bytes), y: result.value, title: "\(BenchUnit.size(result.cell.bytes)): \(rate)")
        },
        raw: results.compactMap { result in
          result.raw.map {
            Point(x: place(result.cell.bytes), y: $0, title: "the loop in C: \(BenchUnit.rate($0))")
          }
        })
    }
  }

  /// How long the round trips of 8 B took, from the fastest to the slowest.
  static func latency(_ run: BenchRun) -> SmallCharts {
    // A place for each percentile that matters, since on a true scale all of them but two would lie at its end.
    let shown = [1.0, 25, 50, 90, 99, 99.9, 100]
    let names = ["1%", "", "50%", "90%", "99%", "99.9%", "all"]
    let ticks = shown.indices.map { (Double($0) / Double(shown.count - 1), names[$0]) }
    return SmallCharts(run, .roundTrip, ticks) { results in
      let result = results.first { $0.cell.bytes == 8 }
      let points = shown.enumerated().compactMap { index, level -> Point? in
        guard let result, let time = result.latency(level) else { return nil }
        let title = "\(formatted("%g", level))% take at most \(BenchUnit.time(time))"
        return Point(x: ticks[index].0, y: max(1, time), title: title)
      }
      return Line(pinning: results[0].cell.pinning, points: points)
    }
  }

  private init(
    _ run: BenchRun, _ measure: BenchCell.Measure, _ xTicks: [(Double, String)], line: ([BenchResult]) -> Line
  ) {
    var names: [String] = []
    for result in run.results where !names.contains(result.name) { names.append(result.name) }
    charts = names.compactMap { name in
      let lines = BenchCell.Pinning.allCases.compactMap { pinning -> Line? in
        let results = run.results.filter {
          $0.name == name && $0.cell.measure == measure && $0.cell.pinning == pinning && $0.value.isFinite
        }
        return results.isEmpty ? nil : line(results)
      }
      return lines.isEmpty ? nil : (name, lines)
    }
    self.measure = measure
    self.xTicks = xTicks.map { (place: $0.0, words: $0.1) }
  }

  /// One drawing a mechanism.
  var svgs: [String] {
    let values = charts.flatMap { $0.lines.flatMap { ($0.points + $0.raw).map(\.y) } }
    guard let scale = LogScale(values) else { return [] }
    return charts.map { draw($0.name, $0.lines, scale) }
  }

  private func draw(_ name: String, _ lines: [Line], _ scale: LogScale) -> String {
    let what = measure == .roundTrip ? "distribution of round trips" : "throughput by message size"
    var svg = SVG(width: Self.width, height: Self.height, label: "\(name): \(what)")
    let (plotWidth, plotHeight) = (Self.width - Self.left - Self.right, Self.height - Self.top - Self.bottom)
    func x(_ place: Double) -> Double { Self.left + place * plotWidth }
    func y(_ value: Double) -> Double { Self.top + (1 - scale.place(value)) * plotHeight }
    svg.words(Self.left, 13, name, "name")
    for (index, tick) in scale.ticks.enumerated() {
      svg.line(Self.left, y(tick), Self.width - Self.right, y(tick), "grid")
      // With many powers, every other one is enough to read.
      if scale.ticks.count > 6, !index.isMultiple(of: 2) { continue }
      svg.words(Self.left - 5, y(tick) + 3, ChartUnit.tick(tick, measure), "tick", .end)
    }
    for tick in xTicks { svg.words(x(tick.place), Self.height - 6, tick.words, "tick", .middle) }
    for line in lines {
      svg.path(line.points.map { (x($0.x), y($0.y)) }, "line-\(line.pinning.rawValue)")
      let place = ChartUnit.pinning(line.pinning)
      for point in line.raw { svg.dot(x(point.x), y(point.y), "ring-\(line.pinning.rawValue)", title: point.title) }
      for point in line.points {
        svg.dot(
          x(point.x), y(point.y), "fill-\(line.pinning.rawValue)", title: "\(name), \(place), \(point.title)")
      }
    }
    return svg.text
  }
}
