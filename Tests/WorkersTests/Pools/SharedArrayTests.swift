import Interprocess
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("Shared arrays in calls", .serialized, .timeLimit(.minutes(3)))
struct SharedArrayTests {
  @Test(
    "a worker changes the elements that the caller has, over every mechanism",
    arguments: Mechanism.allCases.filter(\.isTwoWay))
  func arguments(_ mechanism: Mechanism) async throws {
    var configuration = WorkerPoolConfiguration()
    configuration.mechanism = mechanism
    try await withWorkerPool(of: Large.self, count: 1, configuration: configuration) { pool in
      let first = try SharedArray(repeating: 1.5, count: 100_000)
      let second = try SharedArray(repeating: 2.5, count: 3)
      try await pool.run { try await $0.double(first, second) }
      #expect(first.allSatisfy { $0 == 3 } && Array(second) == [5, 5, 5])
    }
  }

  @Test("a result's elements are those of the worker, and an argument comes back as itself")
  func results() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let arrays = try await pool.run { try await $0.shared(70_000) }
      #expect(arrays.map(\.count) == [70_000, 70_000] && arrays.map { $0[69_999] } == [1, 2])
      let array = try SharedArray(repeating: 0.0, count: 10)
      let same = try await pool.run { try await $0.same(array) }
      same[7] = 1
      #expect(array[7] == 1)
    }
  }

  @Test("neither side keeps a descriptor when the calls are over")
  func leaks() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let array = try SharedArray(repeating: 0.0, count: 10)
      try await pool.run { try await $0.double(array, array) }
      let before = try await pool.run { try await $0.descriptors() }
      for _ in 0..<200 {
        try await pool.run { try await $0.double(array, array) }
        _ = try await pool.run { try await $0.same(array) }
      }
      #expect(try await pool.run { try await $0.descriptors() } == before)
    }
  }

  @Test("arrays stay mapped for those calls that bring them again, a few at a time, and go when none does")
  func mappings() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let arrays = try (0..<5).map { try SharedArray(repeating: Double($0), count: 1000) }
      for _ in 0..<3 {
        try await pool.run { try await $0.double(arrays[0], arrays[1]) }
        try await pool.run { try await $0.double(arrays[1], arrays[0]) }
        try await pool.run { try await $0.double(arrays[0], arrays[0]) }
      }
      #expect(arrays[1][999] == 64 && arrays[0][0] == 0)
      #expect(try await pool.run { try await $0.sharedArrays() } == 2)
      // One more than are kept: each is its own all the same.
      for round in 1...3 {
        for (index, array) in arrays.enumerated().dropFirst(2) {
          try await pool.run { try await $0.double(array, arrays[0]) }
          try await pool.run { try await $0.double(arrays[1], arrays[0]) }
          #expect(array[999] == Double(index) * Double(1 << round) && arrays[0][0] == 0)
        }
      }
      #expect(arrays[1][0] == 64 * 512)
      #expect(try await pool.run { try await $0.sharedArrays() } == 4)
      try await eventually("the worker lets go of the arrays") {
        try await Task.sleep(for: .seconds(1.2))
        return try await pool.run { try await $0.sharedArrays() } == 0
      }
    }
  }

  @Test("the call of a worker that dies is made again with the same array")
  func repeated() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let array = try SharedArray(repeating: 1.0, count: 1)
      try await pool.run(options: .init(isRepeatable: true)) { try await $0.dieFirst(array) }
      #expect(array[0] == 3)
    }
  }
}
