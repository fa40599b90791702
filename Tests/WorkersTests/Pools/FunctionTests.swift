import Interprocess
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("Functions without state", .serialized, .timeLimit(.minutes(3)))
struct FunctionTests {
  @Test("a worker that lies about the element it is at costs that element alone")
  func misleading() async throws {
    var configuration = WorkerPoolConfiguration(count: 2)
    configuration.restartIntensity = nil
    try await withWorkerPool(configuration: configuration) { pool in
      let outcomes = try await pool.mapOutcomes(Misleading.self, 0..<100)
      for (number, outcome) in outcomes.enumerated() {
        if number == 50 {
          #expect(throws: WorkerCrash.self) { try outcome.get() }
        } else {
          #expect(try outcome.get() == number)
        }
      }
    }
  }

  @Test(
    "an element that fails anywhere on its way fails alone",
    arguments: [
      Fragile.Place.encodedHere, .decodedThere, .crashesDecodedThere, .encodedThere, .crashesEncodedThere, .decodedHere,
    ])
  func fragile(_ place: Fragile.Place) async throws {
    try await withWorkerPool(count: 2) { pool in
      // Chunks of many elements by now.
      _ = try await pool.map(Travel.self, (0..<2000).map { Fragile($0) })
      var inputs = (0..<1000).map { Fragile($0) }
      inputs[600].place = place
      let outcomes = try await pool.mapOutcomes(Travel.self, inputs)
      #expect(outcomes.count == 1000)
      for (index, outcome) in outcomes.enumerated() {
        switch outcome {
        case .success(let output): #expect(output.number == index && index != 600)
        case .failure(let error):
          #expect(index == 600, "\(index): \(error)")
          #expect((error is WorkerCrash) == (place == .crashesDecodedThere || place == .crashesEncodedThere))
        }
      }
    }
  }

  @Test("a deadline costs the element that misses it, and no other of its chunk")
  func deadline() async throws {
    try await withWorkerPool(count: 1) { pool in
      _ = try await pool.map(Travel.self, (0..<2000).map { Fragile($0) })
      var inputs = (0..<100).map { Fragile($0) }
      inputs[60].place = .slow
      let outcomes = try await pool.mapOutcomes(Travel.self, inputs, options: .init(deadline: .milliseconds(300)))
      for (index, outcome) in outcomes.enumerated() {
        switch outcome {
        case .success(let output): #expect(output.number == index && index != 60)
        case .failure(let error): #expect(index == 60 && error is CallDeadlineExceeded, "\(index): \(error)")
        }
      }
    }
  }

  @Test("a single number of a single number, what it throws, and what it does to its worker")
  func oneNumber() async throws {
    try await withWorkerPool(count: 1) { pool in
      let (single, mapped) = (try await pool.call(Square.self, 12), try await pool.map(Square.self, [-3]))
      #expect(single == 144 && mapped == [9])
      await #expect(throws: Refusal(why: "negative")) { try await pool.call(Square.self, -1) }
      await #expect(throws: Refusal(why: "negative")) { try await pool.map(Square.self, [-1]) }
      await #expect(throws: WorkerCrash.self) { try await pool.call(Square.self, -2) }
      let next = try await pool.call(Square.self, 5)
      #expect(next == 25)
    }
  }

  @Test("shared arrays are inputs and outputs")
  func sharedArrays() async throws {
    try await withWorkerPool(count: 2) { pool in
      let arrays = try (0..<40).map { try SharedArray(repeating: Double($0), count: 10) }
      let same = try await pool.map(DoubleShared.self, arrays)
      #expect(arrays.map { $0[9] } == (0..<40).map { Double(2 * $0) })
      #expect(same.map { $0[0] } == arrays.map { $0[0] })
    }
  }

  @Test("how long chunks are comes of what their worker had to do, and not of what they waited for")
  func durations() async throws {
    try await withWorkerPool(count: 1) { pool in
      for count in [1, 100] {
        let calls = FunctionCalls<Square>(pool.core, .init())
        let waiting = try await pool.withWorker { _ in
          let waiting = Task { try await calls.results(of: Array(0..<count)[...]) }
          try await Task.sleep(for: .seconds(1))
          return waiting
        }
        let results = try await waiting.value
        #expect(results.outputs.count == count)
        #expect(results.duration(ofAtMost: .max) < 500_000_000)
        // It would be one, if all the time counted.
        if count > 1 { #expect(calls.chunkLimit > 4) }
      }
    }
  }

  @Test("what no worker answers about a number is an error, and what it says of its time is believed within reason")
  func hostileAnswers() throws {
    func reply(_ numbers: [UInt64], rest: [UInt8] = []) -> CallReply {
      var frame = Frame.begin(.result, 1)
      for number in numbers { frame.append(littleEndian: number) }
      return CallReply(frame: frame + rest)
    }
    let number = try reply([12]).number() as Int
    #expect(number == 12)
    for bad in [reply([]), reply([1, 2]), reply([], rest: [1, 2, 3])] {
      #expect(throws: (any Error).self) { try bad.number() as Int }
    }
    #expect(try ChunkResults<Int>(reply([.max, 0, 12]), count: 1).onlyOutput() == 12)
    for bad in [
      reply([]), reply([0]), reply([0, 0]), reply([0, 0], rest: [1, 2, 3]), reply([0, 0, 1, 2]), reply([0, .max]),
      reply([0, 1, .max]), reply([0, 2, 0, 0]),
    ] {
      #expect(throws: (any Error).self) { try ChunkResults<Int>(bad, count: 1).onlyOutput() }
    }
    let results = try ChunkResults<Int>(reply([.max, 0, 1, 2]), count: 2)
    #expect(results.duration(ofAtMost: 5000) == 5000)
    #expect(try ChunkResults<Int>(reply([7, 0, 1, 2]), count: 2).duration(ofAtMost: 5000) == 7)
    #expect(try ChunkResults<Int>(reply([0, 0, 1, 2]), count: 2).duration(ofAtMost: 5000) == 5000)
  }

  @Test("a pool that lets few calls wait computes all elements")
  func shortQueue() async throws {
    var configuration = WorkerPoolConfiguration(count: 4)
    configuration.queueLimit = 1
    try await withWorkerPool(configuration: configuration) { pool in
      let squares = try await pool.map(Square.self, 0..<1000)
      #expect(squares == (0..<1000).map { $0 * $0 })
    }
  }
}
