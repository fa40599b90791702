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

  @Test("neither side keeps a descriptor when a call without arrays has come")
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

  @Test("a worker that waits keeps nothing of its last result, nor of what the call has brought")
  func rest() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let process = try await pool.run { try await $0.process() }
      let array = try SharedArray(repeating: 1.0, count: 1000)
      #expect(try await pool.run { try await $0.shared(70_000) }.count == 2)
      #expect(try await pool.run { try await $0.same(array) }[999] == 1)
      try await eventually("the worker closes the memory of its result") {
        try Command.run("/bin/ls", ["-l", "/proc/\(process)/fd"]).lines.allSatisfy {
          !$0.contains("interprocess-array")
        }
      }
    }
  }

  @Test("arrays stay mapped from one call that brings them to the next, and go by themselves when none comes")
  func mappings() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let arrays = try (0..<6).map { try SharedArray(repeating: Double($0), count: 1000) }
      let process = try await pool.run { try await $0.process() }
      for _ in 0..<3 {
        try await pool.run { try await $0.double(arrays[0], arrays[1]) }
        try await pool.run { try await $0.double(arrays[1], arrays[0]) }
        try await pool.run { try await $0.double(arrays[0], arrays[0]) }
      }
      #expect(arrays[1][999] == 64 && arrays[0][0] == 0)
      // Each is its own, whatever was there before.
      for (index, array) in arrays.enumerated().dropFirst(2) {
        try await pool.run { try await $0.double(array, arrays[0]) }
        #expect(array[999] == 2 * Double(index) && arrays[0][0] == 0)
      }
      // On a busy machine a second may go by in between.
      try await eventually("two arrays are kept") {
        try await pool.run { try await $0.double(arrays[4], arrays[5]) }
        return try Self.sharedArrays(of: process) == 2
      }
      try await eventually("the worker lets go of the arrays") { try Self.sharedArrays(of: process) == 0 }
      try await pool.run { try await $0.double(arrays[0], arrays[1]) }
      // A call without arrays has them go before it runs.
      #expect(try await pool.run { try await $0.sharedArrays() } == 0)
    }
  }

  /// Seen from here, since a call would change it.
  private static func sharedArrays(of process: Int32) throws -> Int {
    try Command.run("/bin/cat", ["/proc/\(process)/maps"]).lines.count { $0.contains("memfd:interprocess-array") }
  }

  @Test("an array is mapped where there is room for it, and for none that came before")
  func room() async throws {
    var configuration = WorkerPoolConfiguration()
    configuration.limits.addressSpaceBytes = 1 << 30
    try await withWorkerPool(of: Large.self, count: 1, configuration: configuration) { pool in
      let arrays = try (1...2).map { try SharedArray(repeating: Double($0), count: (500 << 20) / 8) }
      for array in arrays + arrays {
        #expect(try await pool.run { try await $0.first(array) } == array[0])
      }
    }
  }

  @Test("a call whose array finds no descriptor left in its worker fails at once, and the next one does not")
  func lost() async throws {
    var configuration = WorkerPoolConfiguration()
    configuration.limits.openFiles = 64
    try await withWorkerPool(of: Large.self, count: 1, configuration: configuration) { pool in
      let array = try SharedArray(repeating: 5.0, count: 1)
      #expect(try await pool.run { try await $0.openAll() } > 0)
      for _ in 0..<3 {
        let start = ContinuousClock.now
        let error = await #expect(throws: WorkerCallError.self) { try await pool.run { try await $0.first(array) } }
        #expect(error?.description.contains("memory did not reach") == true, "\(String(describing: error))")
        // What does not know that it was lost is awaited for ten.
        #expect(ContinuousClock.now - start < .seconds(9))
      }
      try await pool.run { try await $0.closeAll() }
      #expect(try await pool.run { try await $0.first(array) } == 5)
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
