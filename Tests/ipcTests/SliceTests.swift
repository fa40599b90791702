import TestSupport
import Testing

@testable import ipc

@Suite("Slices and sums", .blocking)
struct SliceTests {
  @Test("slices cover the terms, do not overlap, and differ by one term at most")
  func slices() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let job = PiJob(
        terms: Int.random(in: 1...10_000, using: &generator), workers: Int.random(in: 1...200, using: &generator))
      let slices = (0..<job.workers).map(job.slice)
      #expect(slices.first?.lowerBound == 0 && slices.last?.upperBound == job.terms)
      #expect(zip(slices, slices.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      let sizes = slices.map(\.count)
      #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
    }
  }

  /// The reference: long double, the smallest terms first.
  private func exactSum(_ terms: Range<Int>) -> Double {
    var sum: Float80 = 0
    for k in terms.reversed() {
      let odd = Float80(2 * k + 1)
      sum += 1 / (odd * odd)
    }
    return Double(sum)
  }

  @Test("the shared division gives the sum of every slice, wherever it begins and ends")
  func sums() {
    for start in [0, 1, 31, 63, 64, 65, 1000, 123_457] {
      for count in [0, 1, 7, 31, 32, 33, 64, 100, 1001] {
        let terms = start..<(start + count)
        #expect(abs(sliceSum(terms) - exactSum(terms)) < 1e-15, "\(terms)")
      }
    }
  }

  @Test("the sum of ten million terms is within 1e-12 of the exact one")
  func articleSum() {
    #expect(abs(sliceSum(0..<10_000_000) - exactSum(0..<10_000_000)) < 1e-12)
  }

  @Test("a partial sum survives its bytes, and nothing else passes for one")
  func message() throws {
    let sum = PartialSum(worker: 3, sum: -1.25)
    #expect(try PartialSum(sum.bytes) == sum)
    #expect(sum.bytes.count == PartialSum.byteCount)
    #expect(throws: JobFailure.self) { try PartialSum([1, 2, 3]) }
    #expect(throws: JobFailure.self) { try PartialSum(nil) }
  }

  @Test(
    "the nearest name is suggested", arguments: [("pip", "pipe"), ("filee", "file"), ("unix-sockets", "unix-socket")])
  func nearest(typed: String, meant: String) {
    #expect(PiMechanism.allCases.map(\.rawValue).nearest(to: typed) == meant)
  }

  @Test(
    "numbers are grouped by thousands",
    arguments: [(7, "7"), (999, "999"), (1000, "1,000"), (10_000_000, "10,000,000")])
  func grouping(number: Int, expected: String) {
    #expect(number.grouped == expected)
  }
}
