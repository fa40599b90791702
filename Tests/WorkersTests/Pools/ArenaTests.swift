import Glibc
import Interprocess
import Synchronization
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("large arguments", .timeLimit(.minutes(3)))
struct ArenaTests {
  private static let mechanisms = Mechanism.allCases.filter(\.isTwoWay)

  @Test("an array lies in the pool's memory, over every mechanism, and a small one does not", arguments: mechanisms)
  func everyMechanism(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Large.self, configuration: .init(count: 1, mechanism: mechanism)) { pool in
      let large = [UInt8](repeating: 7, count: 1_000_000)
      let isLent = try await pool.run { try await $0.isLent(large) }
      #expect(isLent)
      let isSmallLent = try await pool.run { try await $0.isLent([1, 2, 3]) }
      #expect(!isSmallLent)
      let lengths = try await pool.run { try await $0.lengths(large, [Int16](repeating: 1, count: 300_000), "text") }
      #expect(lengths == [1_000_000, 300_000, 4])
      let numbers = (0..<200_000).map { Double($0) / 3 }
      let same = try await pool.run { try await $0.echo(numbers) } == numbers
      #expect(same)
    }
  }

  @Test("so does one of any elements that are only bytes")
  func plainElements() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let points = (0..<50_000).map { Point(x: Double($0), y: 2) }
      let sum = try await pool.run { try await $0.points(points) }
      #expect(sum == points.reduce(0) { $0 + $1.x * $1.y })
    }
  }

  @Test("the memory is used again, and calls side by side do not share it")
  func recycling() async throws {
    try await withWorkerPool(of: Large.self, count: 2) { pool in
      let answers = try await pool.map(0..<60) { worker, number in
        let bytes = [UInt8](repeating: UInt8(number), count: 500_000 + number)
        return try await worker.sleep(bytes, milliseconds: 1)
      }
      #expect(answers == (0..<60).map(UInt8.init))
      let blocks = try await pool.run { try await $0.blocks() }
      #expect(blocks <= 6)
    }
  }

  @Test("an argument that the worker has stored stays as it was, and one that it changes is its own")
  func storedArguments() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let kept = [UInt8](repeating: 3, count: 1_000_000)
      try await pool.run { try await $0.keep(kept) }
      for number in 0..<10 {
        let other = [UInt8](repeating: UInt8(100 + number), count: 1_000_000)
        let changed = try await pool.run { try await $0.change(other) }
        #expect(changed == [UInt8(101 + number), UInt8(100 + number)])
      }
      let sum = try await pool.run { try await $0.keptSum() }
      #expect(sum == 3_000_000)
      // What it lets go of is unmapped. How many blocks the others took depends on how soon each was given back.
      let before = try await pool.run { try await $0.blocks() }
      try await pool.run { try await $0.keep([]) }
      _ = try await pool.run { try await $0.count([1]) }
      let after = try await pool.run { try await $0.blocks() }
      #expect(after < before)
    }
  }

  @Test("a crash loses no memory, and a call made again has its arguments")
  func crashes() async throws {
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.restartIntensity = nil
    try await withWorkerPool(of: Large.self, configuration: configuration) { pool in
      let bytes = [UInt8](repeating: 9, count: 2_000_000)
      for _ in 0..<5 {
        await #expect(throws: WorkerCrash.self) { try await pool.run { try await $0.die(bytes) } }
        let ends = try await pool.run { try await $0.ends(bytes) }
        #expect(ends == [9, 9])
      }
      await #expect(throws: WorkerCrash.self) {
        try await pool.run(options: .init(isRepeatable: true)) { try await $0.die(bytes) }
      }
      await #expect(throws: CallDeadlineExceeded.self) {
        try await pool.run(options: .init(deadline: .milliseconds(10))) {
          try await $0.sleep(bytes, milliseconds: 60_000)
        }
      }
      let ends = try await pool.run { try await $0.ends(bytes) }
      #expect(ends == [9, 9])
    }
  }

  @Test(
    "large results of numbers lie in the worker's memory, which is used again, over every mechanism",
    arguments: mechanisms)
  func results(_ mechanism: Mechanism) async throws {
    try await withWorkerPool(of: Large.self, configuration: .init(count: 1, mechanism: mechanism)) { pool in
      _ = try await pool.run { try await $0.make(1000, 1) }
      let none = try await pool.run { try await $0.resultMemory() }
      #expect(none == [])
      var seen: Set<String> = []
      for number in 0..<10 {
        let value = Double(number) + 0.5
        let isRight =
          try await pool.run { try await $0.make(100_000 + number, value) }
          == [Double](repeating: value, count: 100_000 + number)
        #expect(isRight)
        seen.formUnion(try await pool.run { try await $0.resultMemory() })
      }
      #expect(seen.count == 1)
      // What is not of numbers goes as ever.
      let points = try await pool.run { try await $0.makePoints(50_000) }
      #expect(points.count == 50_000 && points.last == Point(x: 1, y: 2))
    }
  }

  @Test("large results side by side, of calls and of functions, are each its own")
  func manyResults() async throws {
    try await withWorkerPool(of: Large.self, count: 2) { pool in
      let lasts = try await pool.map(0..<60) { worker, number in
        let made = try await worker.make(70_000 + 1000 * number, Double(number))
        return made.allSatisfy { $0 == Double(number) } ? made.count : -1
      }
      #expect(lasts == (0..<60).map { 70_000 + 1000 * $0 })
      let ramps = try await pool.map(Ramp.self, [100_000, 3, 200_000, 0, 90_000])
      #expect(ramps.map(\.count) == [100_000, 3, 200_000, 0, 90_000])
      #expect(ramps.allSatisfy { $0.last ?? -1 == Int32($0.count) - 1 })
      let one = try await pool.call(Ramp.self, 150_000)
      #expect(one == Array(0..<150_000))
    }
  }

  @Test("optional arrays, large ones, come and go as they are")
  func optionalArrays() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let numbers = [Double](repeating: 2.5, count: 100_000)
      let same = try await pool.run { try await $0.optional(numbers) } == numbers
      #expect(same)
      let none = try await pool.run { try await $0.optional(nil) } == nil
      #expect(none)
    }
  }

  @Test("shared arrays, more than a result may hold, are an error, and the pool goes on")
  func manySharedArrays() async throws {
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      await #expect(throws: (any Error).self) { try await pool.run { try await $0.manyShared(300) } }
      let arrays = try await pool.run { try await $0.manyShared(100) }
      #expect(arrays.count == 100 && arrays[99][0] == 99)
    }
  }

  @Test("a result longer than the pool takes is refused, large memory or not")
  func tooLargeResult() async throws {
    var configuration = WorkerPoolConfiguration(count: 1)
    configuration.maximumMessageSize = 500_000
    try await withWorkerPool(of: Large.self, configuration: configuration) { pool in
      await #expect(throws: WorkerCallError.self) { try await pool.run { try await $0.make(100_000, 1) } }
      let isRight = try await pool.run { try await $0.make(60_000, 1) } == [Double](repeating: 1, count: 60_000)
      #expect(isRight)
    }
  }

  @Test("memory that no call has needed for a while is given back")
  func rest() async throws {
    let dropped = Mutex<[UInt64]>([])
    let arena = Arena(mostFree: 4, longestRest: .milliseconds(50)) { block in dropped.withLock { $0.append(block) } }
    do {
      let leases = (0..<3).compactMap { _ in arena.place([UInt8](repeating: 1, count: 1_000_000)) }
      #expect(leases.count == 3)
    }
    try await eventually("all of it is free") { arena.freeByteCount == 0 }
    #expect(dropped.withLock { $0.sorted() } == [1, 2, 3])
  }

  @Test("functions have their large inputs so, one by one")
  func functions() async throws {
    try await withWorkerPool(count: 2) { pool in
      let inputs = (0..<20).map { [UInt8](repeating: 1, count: $0 % 2 == 0 ? $0 : 400_000 + $0) }
      let lengths = try await pool.map(Length.self, inputs)
      #expect(lengths == inputs.map(\.count))
    }
  }

  @Test("an array's elements may lie in memory that is not its own, and the runtime leaves that alone")
  func lentArrays() throws {
    #expect(ArrayHeader.isAsKnown)
    let memory = try AnonymousMemory(byteCount: 8192)
    memory.mapping.withUnsafeBytes { $0.copyBytes(from: 0..<100) }
    let lent = try LentMemory(memory.descriptor.copy())
    for _ in 0..<3 {
      var holder = try use(lent)
      #expect(memory.mapping.bytes.unsafeLoad(fromByteOffset: 0, as: UInt8.self) == 0)
      let isLast = isKnownUniquelyReferenced(&holder)
      #expect(isLast)
      holder = nil
    }
  }

  private func use(_ lent: LentMemory) throws -> AnyObject? {
    guard let (array, holder) = [UInt8].lent(by: lent, byteCount: 100) else { return nil }
    let isRight = array == Array(0..<100)
    #expect(isRight)
    var changed = array
    changed[0] = 50
    changed.append(100)
    let isChanged = changed.count == 101 && changed[0] == 50 && array[0] == 0
    #expect(isChanged)
    return holder
  }

  @Test(
    "more than 4 GiB, there and back",
    .enabled(if: getenv("INTERPROCESS_HUGE") != nil, "skipped: takes 15 GB of memory; set INTERPROCESS_HUGE=1"))
  func huge() async throws {
    let count = (4 << 30) + 12345
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      var bytes = [UInt8](repeating: 0, count: count)
      bytes[0] = 1
      bytes[bytes.count - 1] = 2
      let ends = try await pool.run { [bytes] in try await $0.ends(bytes) }
      #expect(ends == [1, 2])
    }
    try await withWorkerPool(of: Large.self, count: 1) { pool in
      let numbers = try await pool.run { try await $0.make(count / 8, 3) }
      #expect(numbers.count == count / 8 && numbers.first == 3 && numbers.last == 3)
    }
  }
}
