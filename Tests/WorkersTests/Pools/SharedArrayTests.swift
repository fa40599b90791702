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

  @Test("the call of a worker that dies is made again with the same array")
  func repeated() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let array = try SharedArray(repeating: 1.0, count: 1)
      try await pool.run(options: .init(isRepeatable: true)) { try await $0.dieFirst(array) }
      #expect(array[0] == 3)
    }
  }
}
