import BenchmarkSupport
import CKernel
import CReference

/// The sum of one process, in Swift and in C.
enum KernelBenchmark {
  private static let terms = 10_000_000

  static func run(rounds: Int, table: inout Table) -> [(name: String, times: Samples)] {
    var swift = Samples()
    var c = Samples()
    // Read once a round from memory, so that no compiler moves the sum out of the loop.
    let slices = [Range<Int>](repeating: 0..<terms, count: rounds)
    var sums = (swift: 0.0, c: 0.0)
    for (round, slice) in slices.enumerated() {
      // Each goes first as often as the other.
      if round.isMultiple(of: 2) { sums.swift = swift.time { sliceSum(slice) } }
      sums.c = c.time { c_slice_sum(slice.lowerBound, slice.upperBound) }
      if !round.isMultiple(of: 2) { sums.swift = swift.time { sliceSum(slice) } }
    }
    table.add("kernel: Swift / C", swift, over: c, .atMost(1))
    table.add("kernel: error of Swift's sum", c_error_of_sum(sums.swift, terms), .atMost(1e-12))
    table.add("kernel: error of C's sum", c_error_of_sum(sums.c, terms), .none)
    return [("kernel in C", c), ("kernel in Swift", swift)]
  }
}
