import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("WorkerPool.results of functions", .serialized, .timeLimit(.minutes(3)))
struct FunctionResultsTests {
  @Test("results come with their inputs: in order, or as they come")
  func order() async throws {
    try await withWorkerPool(count: 2) { pool in
      var pairs: [(Int, Int)] = []
      for try await pair in pool.results(Square.self, of: 0..<5000) { pairs.append(pair) }
      #expect(pairs.map(\.0) == Array(0..<5000) && pairs.allSatisfy { $0.1 == $0.0 * $0.0 })
      // The first takes longest.
      var unordered: [Int] = []
      for try await (input, _) in pool.results(Nap.self, of: [500, 0, 1, 2], ordered: false) { unordered.append(input) }
      #expect(unordered.sorted() == [0, 1, 2, 500] && unordered.last == 500)
    }
  }

  @Test("while the reader holds still, no more is taken than the window holds", arguments: [true, false])
  func bounded(_ isOrdered: Bool) async throws {
    try await withWorkerPool(count: 1) { pool in
      // So long that a chunk has one.
      let awaited = Mutex(0)
      let inputs = AsyncStream(unfolding: {
        awaited.withLock { $0 += 1 }
        return 5
      })
      var iterator = pool.results(Nap.self, of: inputs, ordered: isOrdered).makeAsyncIterator()
      for read in 1...3 {
        _ = try await iterator.next()
        try await eventually("the window is full") { awaited.withLock { $0 } >= read + pool.window }
        try await Task.sleep(for: .milliseconds(30))
        #expect(awaited.withLock { $0 } == read + pool.window)
      }
      let pulled = Mutex(0)
      let sequence = AnyIterator {
        pulled.withLock { $0 += 1 }
        return 5
      }
      var other = pool.results(Nap.self, of: sequence, ordered: isOrdered).makeAsyncIterator()
      for read in 1...3 {
        _ = try await other.next()
        #expect(pulled.withLock { $0 } <= read + pool.window)
      }
    }
  }

  @Test("quick elements go many at a time, of inputs without end too")
  func endless() async throws {
    try await withWorkerPool(count: 2) { pool in
      let taken = Mutex(0)
      let inputs = AnyIterator {
        taken.withLock { taken in
          taken += 1
          return taken
        }
      }
      var (read, ahead) = (0, 0)
      for try await (input, output) in pool.results(Square.self, of: inputs) {
        read += 1
        if input != read || output != read * read { Issue.record("\(input): \(output)") }
        ahead = max(ahead, taken.withLock { $0 } - read)
        if read == 20_000 { break }
      }
      #expect(ahead > 10 * pool.window && ahead <= 65536 * pool.window)
    }
  }

  @Test("a million elements are no burden", arguments: [true, false])
  func many(_ isOrdered: Bool) async throws {
    let count = Sanitizer.isPresent || !isOrdered ? 100_000 : 1_000_000
    try await withWorkerPool(count: 2) { pool in
      var (read, sum) = (0, 0)
      for try await (_, output) in pool.results(Square.self, of: 0..<count, ordered: isOrdered) {
        read += 1
        sum += output
      }
      #expect(read == count && sum == (count - 1) * count * (2 * count - 1) / 6)
    }
  }

  @Test("inputs may come over time, one or many, and results do not wait for the next")
  func overTime() async throws {
    try await withWorkerPool(count: 2) { pool in
      let (inputs, source) = AsyncStream.makeStream(of: Int.self)
      var iterator = pool.results(Square.self, of: inputs).makeAsyncIterator()
      for count in [1, 5000, 1, 3] {
        for number in 0..<count { source.yield(number) }
        var outputs: [Int] = []
        while outputs.count < count, let (_, output) = try await iterator.next() { outputs.append(output) }
        #expect(outputs == (0..<count).map { $0 * $0 })
      }
      source.finish()
      let end = try await iterator.next()
      #expect(end == nil)
    }
  }

  @Test("one element's crash or error costs no other of its chunk", arguments: [true, false])
  func outcomes(_ isOrdered: Bool) async throws {
    try await withWorkerPool(count: 2) { pool in
      var inputs = Array(0..<20_000)
      (inputs[12_345], inputs[16_000]) = (-2, -1)
      var seen: [Int] = []
      for try await (input, outcome) in pool.outcomes(Square.self, of: inputs, ordered: isOrdered) {
        seen.append(input)
        switch (input, outcome) {
        case (-2, .failure(let error)): #expect(error is WorkerCrash)
        case (-1, .failure(let error)): #expect(error as? Refusal == Refusal(why: "negative"))
        case (_, .success(let output)) where output == input * input && input >= 0: break
        default: Issue.record("\(input): \(outcome)")
        }
      }
      if isOrdered { #expect(seen == inputs) } else { #expect(seen.sorted() == inputs.sorted()) }
    }
  }

  @Test("the first error is thrown when its turn comes, be it an element's or the inputs', and is the end")
  func errors() async throws {
    try await withWorkerPool(count: 2) { pool in
      var inputs = Array(0..<10_000)
      (inputs[5000], inputs[7000]) = (-1, -1)
      let refused = try await read(pool.results(Square.self, of: inputs))
      #expect(refused.outputs == (0..<5000).map { $0 * $0 })
      #expect(refused.error as? Refusal == Refusal(why: "negative"))
      inputs[4000] = -2
      let crashed = try await read(pool.results(Square.self, of: inputs))
      #expect(crashed.outputs == (0..<4000).map { $0 * $0 } && crashed.error is WorkerCrash)
      let stream = AsyncThrowingStream<Int, any Error> { source in
        for number in 0..<1000 { source.yield(number) }
        source.finish(throwing: Refusal(why: "no more"))
      }
      let ended = try await read(pool.results(Square.self, of: stream))
      #expect(ended.outputs == (0..<1000).map { $0 * $0 } && ended.error as? Refusal == Refusal(why: "no more"))
    }
  }

  /// - Throws: what comes after the first error.
  private func read(_ results: WorkerResults<Int, Int>) async throws -> (outputs: [Int], error: (any Error)?) {
    var iterator = results.makeAsyncIterator()
    var outputs: [Int] = []
    do {
      while let (_, output) = try await iterator.next() { outputs.append(output) }
      return (outputs, nil)
    } catch {
      let end = try await iterator.next()
      #expect(end == nil)
      return (outputs, error)
    }
  }

  @Test("elements that together are too much for the pool go one by one, and one that is so alone fails alone")
  func tooMuch() async throws {
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.maximumMessageSize = 64 << 10
    try await withWorkerPool(configuration: configuration) { pool in
      let sizes = (0..<1000).map { $0 == 700 ? 100_000 : 4000 }
      let outcomes = try await pool.mapOutcomes(Length.self, sizes.map { [UInt8](repeating: 1, count: $0) })
      #expect(outcomes.map { try? $0.get() } == sizes.map { $0 > 64 << 10 ? nil : $0 })
    }
  }

  @Test("of no inputs there are no results")
  func empty() async throws {
    try await withWorkerPool(count: 1) { pool in
      for try await _ in pool.results(Square.self, of: []) { Issue.record("a result of nothing") }
      let stream = AsyncStream<Int> { $0.finish() }
      for try await _ in pool.outcomes(Square.self, of: stream) { Issue.record("a result of nothing") }
    }
  }

  @Test("leaving the loop cancels what runs, and takes no more", arguments: [true, false])
  func leaving(_ isOrdered: Bool) async throws {
    let folder = try TemporaryDirectory()
    let path = folder.path.string
    try await withWorkerPool(count: 2) { pool in
      let taken = Mutex(0)
      let hasFirst = Mutex(false)
      let inputs = AsyncStream {
        let number = taken.withLock { taken in
          taken += 1
          return taken
        }
        // Whatever is computed at the same time may be sent first, and these would keep both workers.
        while number > 1, !hasFirst.withLock({ $0 }), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
        return number == 1 ? "" : path
      }
      for try await (input, _) in pool.results(Linger.self, of: inputs, ordered: isOrdered) {
        #expect(input == "")
        hasFirst.withLock { $0 = true }
        try await eventually("another one runs") { access("\(path)/begun", F_OK) == 0 }
        break
      }
      try await eventually("it has been cancelled") { access("\(path)/cancelled", F_OK) == 0 }
      let before = taken.withLock { $0 }
      let squares = try await pool.map(Square.self, 0..<100)
      #expect(squares == (0..<100).map { $0 * $0 } && taken.withLock { $0 } == before)
    }
  }

  @Test("cancelling the reader ends the sequence and its calls")
  func cancellation() async throws {
    let folder = try TemporaryDirectory()
    let path = folder.path.string
    try await withWorkerPool(count: 1) { pool in
      let reader = Task {
        for try await _ in pool.results(Linger.self, of: repeatElement(path, count: .max)) {}
      }
      try await eventually("it runs") { access("\(path)/begun", F_OK) == 0 }
      reader.cancel()
      await #expect(throws: CancellationError.self) { try await reader.value }
      try await eventually("it has been cancelled") { access("\(path)/cancelled", F_OK) == 0 }
    }
  }

  @Test("a pool that lets few calls wait is asked for no more, and one that is shut down refuses")
  func shortQueue() async throws {
    var configuration = WorkerPoolConfiguration(count: 4)
    configuration.queueLimit = 1
    try await withWorkerPool(configuration: configuration) { pool in
      let squares = (0..<5000).map { $0 * $0 }
      let pulled = try await read(pool.results(Square.self, of: 0..<5000))
      #expect(pulled.outputs == squares && pulled.error == nil)
      let stream = AsyncStream { source in
        for number in 0..<5000 { source.yield(number) }
        source.finish()
      }
      let awaited = try await read(pool.results(Square.self, of: stream))
      #expect(awaited.outputs == squares && awaited.error == nil)
      await pool.shutDown()
      let refused = try await read(pool.results(Square.self, of: 0..<5000))
      #expect(refused.outputs == [] && refused.error is PoolClosed)
    }
  }

  @Test("in one process the elements are computed one after another", arguments: [true, false])
  func inline(_ isOrdered: Bool) async throws {
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.isInline = true
    try await withWorkerPool(configuration: configuration) { pool in
      var read = 0
      for try await (input, outcome) in pool.outcomes(Alone.self, of: 0..<5000, ordered: isOrdered) {
        #expect(input == read)
        read += 1
        if input == 1000 {
          #expect(throws: Refusal.self) { try outcome.get() }
        } else {
          #expect(try outcome.get() == .init(process: getpid(), inside: 1))
        }
      }
      #expect(read == 5000)
      let (inputs, source) = AsyncStream.makeStream(of: Int.self)
      var iterator = pool.results(Alone.self, of: inputs, ordered: isOrdered).makeAsyncIterator()
      for number in 0..<3 {
        source.yield(number)
        let result = try await iterator.next()
        #expect(result?.input == number)
      }
      await pool.shutDown()
      source.yield(3)
      await #expect(throws: PoolClosed.self) { try await pool.map(Alone.self, [1]) }
      do {
        _ = try await iterator.next()
        Issue.record("a pool that is shut down has computed something")
      } catch {
        #expect(error is PoolClosed)
      }
    }
  }
}

/// Sleeps for so many milliseconds.
enum Nap: WorkerFunction {
  static func call(_ milliseconds: Int) -> Int {
    usleep(useconds_t(1000 * milliseconds))
    return milliseconds
  }
}

/// Runs until it is cancelled, and leaves files that say so in this folder; where there is none it ends at once.
enum Linger: WorkerFunction {
  static func call(_ folder: String) -> Bool {
    if folder.isEmpty { return false }
    close(creat("\(folder)/begun", 0o600))
    while !Task.isCancelled { usleep(1000) }
    close(creat("\(folder)/cancelled", 0o600))
    return true
  }
}

/// Tells where it runs, and how many elements do at that time.
enum Alone: WorkerFunction {
  struct Place: Codable, Equatable, Sendable {
    let process: Int32
    let inside: Int
  }

  private static let inside = Atomic(0)

  static func call(_ number: Int) async throws -> Place {
    let inside = inside.wrappingAdd(1, ordering: .relaxed).newValue
    defer { Self.inside.wrappingSubtract(1, ordering: .relaxed) }
    await Task.yield()
    if number == 1000 { throw Refusal(why: "it is a thousand") }
    return Place(process: getpid(), inside: inside)
  }
}
