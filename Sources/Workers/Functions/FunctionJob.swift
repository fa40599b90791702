import Interprocess
import Synchronization

/// Inputs of a function on their way through the workers, in chunks: the last ones are smaller, so that the workers end
/// at the same time.
final class FunctionJob<Function: WorkerFunction>: Sendable {
  private struct State {
    /// The first that has not been handed out.
    var next = 0
    /// What came of parts of the inputs, by where they start.
    var parts: [(start: Int, results: ChunkResults<Function.Output>)] = []
  }

  private let calls: FunctionCalls<Function>
  private let inputs: [Function.Input]
  private let state = Mutex(State())

  init(_ calls: FunctionCalls<Function>, _ inputs: [Function.Input]) {
    self.calls = calls
    self.inputs = inputs
  }

  /// - Parameters:
  ///   - workers: among how many the inputs are shared out.
  ///   - window: how many calls there may be at a time.
  /// - Returns: what came of the parts of the inputs, in order.
  /// - Throws: what is no element's error: the pool's end, cancellation.
  func run(workers: Int, window: Int) async throws -> [ChunkResults<Function.Output>] {
    try await withThrowingTaskGroup(of: Void.self) { group in
      // One more chunk than there are workers is on its way, so that none waits.
      for _ in 0..<min(window, workers + 1, inputs.count) {
        group.addTask { try await self.runChunks(workers) }
      }
      try await group.waitForAll()
    }
    return state.withLock { state in
      state.parts.sort { $0.start < $1.start }
      return state.parts.map { $0.results }
    }
  }

  private func runChunks(_ workers: Int) async throws {
    while !calls.isStopped, let chunk = nextChunk(workers) {
      let results = try await calls.results(of: chunk)
      state.withLock { $0.parts.append((chunk.startIndex, results)) }
    }
  }

  private func nextChunk(_ workers: Int) -> ArraySlice<Function.Input>? {
    let limit = calls.chunkLimit
    return state.withLock { state in
      let left = inputs[state.next...]
      guard !left.isEmpty else { return nil }
      let fair = max(1, left.count / (4 * workers))
      let chunk = left.prefix(ChunkLoad.count(of: left.prefix(min(limit, fair))))
      state.next = chunk.endIndex
      return chunk
    }
  }
}
