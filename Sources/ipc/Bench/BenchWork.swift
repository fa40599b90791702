/// What one process asks the other to do its part of, a slice of a measurement.
struct BenchWork {
  /// Who carries the messages.
  enum Way: Int {
    case channel
    case raw
  }

  let way: Way
  let measure: BenchCell.Measure
  let bytes: Int
  let pinning: BenchCell.Pinning
  let count: Int
  let buffer: BenchBuffer

  private static let numberCount = 5

  var numbers: [Int] {
    let place = BenchCell.Pinning.allCases.firstIndex(of: pinning) ?? 0
    return [way.rawValue, measure == .roundTrip ? 1 : 0, bytes, place, count]
  }

  init(_ way: Way, _ cell: BenchCell, count: Int, _ buffer: BenchBuffer) {
    self.way = way
    measure = cell.measure
    bytes = cell.bytes
    pinning = cell.pinning
    self.count = count
    self.buffer = buffer
  }

  private init?(numbers: [Int], _ buffer: BenchBuffer) {
    guard numbers.count == Self.numberCount, let way = Way(rawValue: numbers[0]),
      BenchCell.Pinning.allCases.indices.contains(numbers[3]), 0...BenchCell.largestMessage ~= numbers[2]
    else { return nil }
    let cell = BenchCell(
      measure: numbers[1] == 1 ? .roundTrip : .throughput, bytes: numbers[2],
      pinning: BenchCell.Pinning.allCases[numbers[3]])
    self.init(way, cell, count: numbers[4], buffer)
  }

  /// - Returns: `nil` when the other process has gone.
  static func next(from link: BenchLink, _ buffer: BenchBuffer) throws -> BenchWork? {
    guard let numbers = try link.receive(numberCount) else { return nil }
    return BenchWork(numbers: numbers, buffer)
  }
}
