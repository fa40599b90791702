import Glibc
import Synchronization
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("WorkerPool.results", .timeLimit(.minutes(3)))
struct ResultsTests {
  @Test("results come with their inputs: in order, or as they come")
  func order() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      var pairs: [(Int, Int)] = []
      for try await (input, output) in pool.results(of: 0..<100, { try await $0.double($1) }) {
        pairs.append((input, output))
      }
      #expect(pairs.map(\.0) == Array(0..<100) && pairs.allSatisfy { $0.1 == 2 * $0.0 })
      // The first takes longest.
      var unordered: [Int] = []
      for try await (input, _) in pool.results(
        of: [500, 0, 1, 2], ordered: false,
        { worker, milliseconds in try await worker.sleep(milliseconds: milliseconds) })
      {
        unordered.append(input)
      }
      #expect(unordered.sorted() == [0, 1, 2, 500])
      #expect(unordered.last == 500)
    }
  }

  @Test("an input is taken when there is room, and what is not taken stays", arguments: [true, false])
  func inputsArePulled(_ isOrdered: Bool) async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let taken = Mutex(0)
      let inputs = sequence(first: 1) { number in
        taken.withLock { $0 += 1 }
        return number + 1
      }
      var read = 0
      for try await _ in pool.results(of: inputs, ordered: isOrdered, { try await $0.double($1) }) {
        read += 1
        let ahead = taken.withLock { $0 } - read
        #expect(ahead <= pool.window)
        if read == 20 { break }
      }
      #expect(read == 20)
    }
  }

  @Test("inputs may come over time, and results do not wait for the next")
  func asynchronousInputs() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      let (inputs, source) = AsyncStream.makeStream(of: Int.self)
      source.yield(1)
      var iterator = pool.results(of: inputs, { try await $0.double($1) }).makeAsyncIterator()
      let first = try await iterator.next()
      #expect(first?.output == 2)
      source.yield(2)
      source.finish()
      let second = try await iterator.next()
      #expect(second?.output == 4)
      let end = try await iterator.next()
      #expect(end == nil)
    }
  }

  @Test("the error of the inputs comes after the results of those before it")
  func inputsThatFail() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      let inputs = AsyncThrowingStream<Int, any Error> { source in
        for number in 0..<10 { source.yield(number) }
        source.finish(throwing: Refusal(why: "no more"))
      }
      var outputs: [Int] = []
      await #expect(throws: Refusal(why: "no more")) {
        for try await (_, output) in pool.results(of: inputs, { try await $0.double($1) }) { outputs.append(output) }
      }
      #expect(outputs == (0..<10).map { 2 * $0 })
    }
  }

  @Test("of outcomes, one element's crash costs no other", arguments: [true, false])
  func outcomes(_ isOrdered: Bool) async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      var crashes: [Int] = []
      var outputs: [Int] = []
      for try await (input, outcome) in pool.outcomes(
        of: 0..<60, ordered: isOrdered,
        { worker, number in number % 20 == 7 ? try await worker.die(.kill) : try await worker.double(number) })
      {
        switch outcome {
        case .success(let output): outputs.append(output)
        case .failure(let error):
          #expect(error is WorkerCrash)
          crashes.append(input)
        }
      }
      #expect(crashes.sorted() == [7, 27, 47])
      #expect(outputs.sorted() == (0..<60).filter { $0 % 20 != 7 }.map { 2 * $0 })
    }
  }

  @Test("the first error ends results, and leaving the loop cancels the calls under way")
  func endsEarly() async throws {
    try await withWorkerPool(of: Subject.self, count: 2) { pool in
      await #expect(throws: WorkerCrash.self) {
        for try await _ in pool.results(of: [1, 2, 3], { worker, _ in try await worker.die(.abort) }) {}
      }
      // A call that only cancellation ends: it holds up neither the loop nor the pool's end.
      for try await _ in pool.results(
        of: [0, 1], ordered: false,
        { worker, number in number == 0 ? try await worker.double(0) == 0 : try await worker.poll() })
      {
        break
      }
      let answer = try await pool.map([1, 2, 3]) { try await $0.double($1) }
      #expect(answer == [2, 4, 6])
    }
  }

  @Test("cancelling the reader ends the sequence and its calls")
  func cancellation() async throws {
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      let reader = Task {
        for try await _ in pool.results(of: 0..<3, { worker, _ in try await worker.poll() }) {}
      }
      try await Task.sleep(for: .milliseconds(50))
      reader.cancel()
      let result = await reader.result
      if case .failure(let error) = result { #expect(error is CancellationError, "\(error)") }
    }
  }
}
