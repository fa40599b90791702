import Interprocess
import Synchronization

/// Inputs of a function on their way through the workers, in chunks.
///
/// A chunk is made as large as takes a few milliseconds, measured; the last ones are smaller, so that the workers end at
/// the same time. When a worker dies, the element it was at has failed, and the others of its chunk go again.
final class FunctionJob<Function: WorkerFunction>: Sendable {
  private typealias Outcome = Result<Function.Output, any Error>

  private struct State {
    /// What is still to be handed out, the next last.
    var ranges: [Range<Int>]
    var outcomes: [Outcome?]
    /// Measured, of one element.
    var secondsPerElement: Double?
  }

  private static var chunkSeconds: Double { 0.004 }
  private static var largestChunk: Int { 65536 }

  private let core: PoolCore
  private let name: String
  private let displayName: String
  private let inputs: [Function.Input]
  private let options: CallOptions
  private let state: Mutex<State>

  init(_ core: PoolCore, name: String, inputs: [Function.Input], _ options: CallOptions) {
    self.core = core
    self.name = name
    displayName = "\(Function.self)"
    self.inputs = inputs
    self.options = options
    state = Mutex(
      State(
        ranges: inputs.isEmpty ? [] : [0..<inputs.count], outcomes: Array(repeating: nil, count: inputs.count)))
  }

  /// - Throws: what is no element's error: the pool's end, cancellation.
  func run(workers: Int) async throws -> [Result<Function.Output, any Error>] {
    if inputs.count == 1 {
      try await runChunks(workers)
    } else {
      try await withThrowingTaskGroup(of: Void.self) { group in
        // One more chunk than there are workers is on its way, so that none waits.
        for _ in 0..<min(workers + 1, inputs.count) { group.addTask { try await self.runChunks(workers) } }
        try await group.waitForAll()
      }
    }
    return state.withLock { $0.outcomes.compactMap(\.self) }
  }

  private func runChunks(_ workers: Int) async throws {
    while let range = nextChunk(workers) { try await CallTrace.withCallerSpan(displayName) { try await run(range) } }
  }

  private func nextChunk(_ workers: Int) -> Range<Int>? {
    state.withLock { state in
      guard let range = state.ranges.popLast() else { return nil }
      let left = range.count + state.ranges.reduce(0) { $0 + $1.count }
      let fair = max(1, left / (4 * workers))
      let timely = state.secondsPerElement.map {
        Int(min(Double(Self.largestChunk), Self.chunkSeconds / max($0, 1e-9)))
      }
      let size = min(range.count, Self.largestChunk, fair, max(1, timely ?? 1))
      if size < range.count { state.ranges.append((range.lowerBound + size)..<range.upperBound) }
      return range.lowerBound..<(range.lowerBound + size)
    }
  }

  private func run(_ range: Range<Int>) async throws {
    var frame = Frame.begin(.function, 0, capacity: 64 + range.count * MemoryLayout<Function.Input>.stride)
    frame.append(part: name)
    CallTrace.append(to: &frame)
    var leases: [ArenaLease] = []
    if Function.Input.self is any PlainArray.Type {
      for input in inputs[range] {
        if let lease = try frame.append(argument: input, core.arena) { leases.append(lease) }
      }
    } else {
      try CBOREncoder().encode(Array(inputs[range]), into: &frame)
    }
    let start = ContinuousClock.now
    do {
      let reply = try await core.call(.any, name: displayName, frame: frame, CallLoans(leases: leases), options)
      let results = try ChunkResults<Function.Output>(reply.frame, count: range.count)
      note(results, range, ContinuousClock.now - start)
    } catch let error as WorkerCrash {
      note(error, range, at: core.element(of: error))
    } catch let error as CallDeadlineExceeded {
      note(error, range, at: nil)
    }
  }

  private func note(_ results: ChunkResults<Function.Output>, _ range: Range<Int>, _ time: Duration) {
    let (seconds, attoseconds) = time.components
    let each = (Double(seconds) + Double(attoseconds) * 1e-18) / Double(range.count)
    state.withLock { state in
      state.secondsPerElement = state.secondsPerElement.map { ($0 + each) / 2 } ?? each
      var failures = results.failures[...]
      var outputs = results.outputs.makeIterator()
      for (offset, index) in range.enumerated() {
        if let failure = failures.first, failure.index == offset {
          state.outcomes[index] = .failure(failure.error)
          failures.removeFirst()
        } else if let output = outputs.next() {
          state.outcomes[index] = .success(output)
        }
      }
    }
  }

  /// One element failed with its worker; the others go again.
  private func note(_ error: any Error, _ range: Range<Int>, at element: Int?) {
    let index = range.lowerBound + min(max(0, element ?? 0), range.count - 1)
    state.withLock { state in
      state.outcomes[index] = .failure(error)
      for rest in [range.lowerBound..<index, (index + 1)..<range.upperBound] where !rest.isEmpty {
        state.ranges.append(rest)
      }
    }
  }
}
