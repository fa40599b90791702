import CBenchLoops
import Histogram

/// The process that measures: it has the other one do its part, slice by slice.
final class BenchDriver {
  private var side: BenchSide
  private let other: BenchLink
  private let effort: BenchEffort
  private let buffer = BenchBuffer()
  private let nanoseconds = UnsafeMutablePointer<UInt64>.allocate(capacity: mostRoundTrips)

  private static let mostRoundTrips = 1 << 17
  private static let mostMessages = 1 << 24

  init(_ side: BenchSide, _ other: BenchLink, _ effort: BenchEffort) {
    self.side = side
    self.other = other
    self.effort = effort
  }

  deinit { nanoseconds.deallocate() }

  /// What a slice took, both processes together.
  private struct Slice {
    /// Nanoseconds.
    var wall: Double
    var cpu: Double
    var count: Int

    var each: Double { wall / Double(count) }
  }

  func measure(_ name: String, _ cell: BenchCell) throws -> BenchResult {
    try side.pin(cell.pinning)
    let hasRaw = side.canCarryRaw(cell.bytes)
    let channelCount = try calibrate(.channel, cell)
    let rawCount = hasRaw ? try calibrate(.raw, cell) : 0
    var channel: [Slice] = []
    var raw: [Slice] = []
    var histogram = Histogram<UInt32>(highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
    for index in 0..<effort.slices {
      // Who comes first changes: what one leaves behind falls on both alike.
      for way in index.isMultiple(of: 2) ? [BenchWork.Way.channel, .raw] : [.raw, .channel] {
        switch way {
        case .channel:
          channel.append(try run(BenchWork(.channel, cell, count: channelCount, buffer)))
          if cell.measure == .roundTrip { record(channelCount, in: &histogram) }
        case .raw where hasRaw: raw.append(try run(BenchWork(.raw, cell, count: rawCount, buffer)))
        case .raw: break
        }
      }
    }
    return result(name, cell, channel, raw, histogram)
  }

  private func result(
    _ name: String, _ cell: BenchCell, _ channel: [Slice], _ raw: [Slice], _ histogram: Histogram<UInt32>
  ) -> BenchResult {
    func value(_ slice: Slice) -> Double {
      cell.measure == .roundTrip ? slice.each : Double(cell.bytes) * 1e9 / slice.each
    }
    var latencies: [Double] = []
    if cell.measure == .roundTrip {
      for level in BenchResult.levels { latencies.append(Double(histogram.valueAtPercentile(level))) }
    }
    let ratios = zip(channel, raw).map { value($0) / value($1) }
    return BenchResult(
      name: name, cell: cell, value: channel.map(value).median ?? .nan, raw: raw.map(value).median,
      ratio: ratios.median, cpu: channel.reduce(0) { $0 + $1.cpu } / channel.reduce(0) { $0 + $1.wall },
      latencies: latencies)
  }

  private func record(_ count: Int, in histogram: inout Histogram<UInt32>) {
    for index in 0..<count { histogram.record(min(nanoseconds[index], 60_000_000_000)) }
  }

  /// How many messages fill a slice.
  private func calibrate(_ way: BenchWork.Way, _ cell: BenchCell) throws -> Int {
    let most = cell.measure == .roundTrip ? Self.mostRoundTrips : Self.mostMessages
    var count = 1
    while true {
      let slice = try run(BenchWork(way, cell, count: count, buffer))
      let wanted = Int(min(Double(most), max(1, Double(count) * effort.slice / max(slice.wall, 1))))
      if slice.wall >= effort.slice / 4 || count >= most { return wanted }
      count = min(most, max(2 * count, min(wanted / 2, 64 * count)))
    }
  }

  private func run(_ work: BenchWork) throws -> Slice {
    try other.send(work.numbers)
    // It is ready, and has said what CPU time it has used so far.
    guard let before = try other.receive(1) else { throw otherHasGone }
    let (cpu, start) = (bench_cpu_time(), bench_now())
    try side.lead(work, nanoseconds)
    let (end, cpuEnd) = (bench_now(), bench_cpu_time())
    guard let after = try other.receive(2) else { throw otherHasGone }
    // Over when the other has received the last one.
    let wall = max(end, UInt64(after[0])) - start
    return Slice(
      wall: Double(max(1, wall)), cpu: Double(cpuEnd - cpu) + Double(after[1] - before[0]), count: work.count)
  }

  private var otherHasGone: JobFailure { JobFailure("the process that answers has ended") }
}

/// The other process: does what it is asked to until the one that measures goes.
enum BenchFollower {
  static func run(_ side: BenchSide, _ leader: BenchLink) throws {
    var side = side
    let buffer = BenchBuffer()
    defer { side.close() }
    while let work = try BenchWork.next(from: leader, buffer) {
      try side.pin(work.pinning)
      try leader.send([Int(bench_cpu_time())])
      try side.follow(work)
      try leader.send([Int(bench_now()), Int(bench_cpu_time())])
    }
  }
}

extension [Double] {
  var median: Double? {
    if isEmpty { return nil }
    let values = sorted()
    return (values[(count - 1) / 2] + values[count / 2]) / 2
  }
}
