/// The article's job: pi from the sum of 1/(2k+1)^2 over `terms` terms, shared out among `workers` processes.
struct PiJob {
  let terms: Int
  let workers: Int

  /// The slice of the terms that is one worker's: together they cover the terms exactly, and they differ in size by one
  /// term at most. With more workers than terms some are empty.
  func slice(of worker: Int) -> Range<Int> {
    let (size, larger) = terms.quotientAndRemainder(dividingBy: workers)
    let start = worker * size + min(worker, larger)
    return start..<(start + size + (worker < larger ? 1 : 0))
  }

  /// What a worker computes.
  func partialSum(of worker: Int) -> PartialSum {
    PartialSum(worker: worker, sum: sliceSum(slice(of: worker)))
  }

  /// Pi, from the workers' sums. They are added in the workers' order, not in that of arrival: the last digits are the
  /// same in every run.
  static func pi(from sums: [Double]) -> Double {
    (8 * sums.reduce(0, +)).squareRoot()
  }
}

/// What a worker hands to its parent: 16 bytes, its number and its sum.
struct PartialSum: Equatable {
  static let byteCount = 16

  let worker: Int
  let sum: Double

  init(worker: Int, sum: Double) {
    self.worker = worker
    self.sum = sum
  }

  /// - Parameter bytes: `nil` for a stream that ended without any.
  init(_ bytes: [UInt8]?) throws {
    guard let bytes else { throw JobFailure("a worker's stream ended without its sum") }
    guard bytes.count == Self.byteCount else { throw JobFailure("a message of \(bytes.count) bytes is no partial sum") }
    worker = bytes.withUnsafeBytes { Int(littleEndian: $0.loadUnaligned(as: Int.self)) }
    let pattern = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }
    sum = Double(bitPattern: UInt64(littleEndian: pattern))
  }

  var bytes: [UInt8] {
    withUnsafeBytes(of: worker.littleEndian, Array.init)
      + withUnsafeBytes(of: sum.bitPattern.littleEndian, Array.init)
  }
}

/// Why the job gave no result over a mechanism.
struct JobFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
