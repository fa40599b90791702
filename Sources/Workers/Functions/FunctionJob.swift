import Interprocess
import Synchronization

/// Inputs of a function on their way through the workers, in chunks.
///
/// A chunk is made as large as takes a few milliseconds, measured; the last ones are smaller, so that the workers end at
/// the same time. When a worker dies, the element it was at has failed, and the others of its chunk go again. Where
/// nobody knows which element was to blame (for a deadline that a whole chunk has missed, inputs that do not decode),
/// they go again one by one.
final class FunctionJob<Function: WorkerFunction>: Sendable {
  /// A part of the inputs, and what came of it.
  private struct Piece {
    var start: Int
    var results: ChunkResults<Function.Output>
  }

  /// What is still to be handed out.
  private struct Rest {
    var range: Range<Int>
    var isOneByOne = false
  }

  private struct State {
    /// The next last.
    var rest: [Rest]
    /// How many elements that is.
    var left: Int
    var pieces: [Piece] = []
    /// Measured, of one element.
    var secondsPerElement: Double?
    /// Those who have nothing to hand out, until it shows whether there is more to come.
    var idle: [CheckedContinuation<Void, Never>] = []
    var chunksOut = 0
    var isStopped = false

    /// What was out may have come back to be done again.
    mutating func chunkEnded() -> [CheckedContinuation<Void, Never>] {
      chunksOut -= 1
      defer { idle = [] }
      return idle
    }
  }

  private static var chunkSeconds: Double { 0.004 }
  private static var largestChunk: Int { 65536 }
  /// How much larger a chunk may be than the last one, on the word of one measurement.
  private static var largestStep: Double { 16 }

  private let core: PoolCore
  private let name: TypeNames.Name
  private let inputs: [Function.Input]
  private let options: CallOptions
  private let stopsAtFailure: Bool
  private let state: Mutex<State>

  /// - Parameter stopsAtFailure: whether nothing is begun once an element has failed.
  init(
    _ core: PoolCore, _ name: TypeNames.Name, inputs: [Function.Input], _ options: CallOptions, stopsAtFailure: Bool
  ) {
    self.core = core
    self.stopsAtFailure = stopsAtFailure
    self.name = name
    self.inputs = inputs
    self.options = options
    state = Mutex(State(rest: inputs.isEmpty ? [] : [Rest(range: 0..<inputs.count)], left: inputs.count))
  }

  /// - Parameter workers: among how many the inputs are shared out.
  /// - Returns: what came of the parts of the inputs, in order.
  /// - Throws: what is no element's error: the pool's end, cancellation.
  func run(workers: Int) async throws -> [ChunkResults<Function.Output>] {
    try await withThrowingTaskGroup(of: Void.self) { group in
      // One more chunk than there are workers is on its way, so that none waits.
      for _ in 0..<min(core.configuration.window, workers + 1, inputs.count) {
        group.addTask { try await self.runChunks(workers) }
      }
      try await group.waitForAll()
    }
    return state.withLock { state in
      state.pieces.sort { $0.start < $1.start }
      return state.pieces.map { $0.results }
    }
  }

  private func runChunks(_ workers: Int) async throws {
    while true {
      guard let range = nextChunk(workers) else {
        guard await isMoreToCome() else { return }
        continue
      }
      defer { for waiting in state.withLock({ $0.chunkEnded() }) { waiting.resume() } }
      try await CallTrace.withCallerSpan(name.display) { try await run(range) }
    }
  }

  /// Waits until a chunk that is out has come back, if there is one: of one that was lost, elements are to be done again.
  private func isMoreToCome() async -> Bool {
    var isMore = false
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        isMore = !state.rest.isEmpty || state.chunksOut > 0
        guard state.rest.isEmpty, state.chunksOut > 0 else { return false }
        state.idle.append(continuation)
        return true
      }
      if !isIdle { continuation.resume() }
    }
    return isMore
  }

  private func nextChunk(_ workers: Int) -> Range<Int>? {
    state.withLock { state in
      if state.isStopped { state.rest = [] }
      guard let rest = state.rest.popLast() else { return nil }
      state.chunksOut += 1
      let fair = max(1, state.left / (4 * workers))
      let timely = state.secondsPerElement.map {
        Int(min(Double(Self.largestChunk), Self.chunkSeconds / max($0, 1e-9)))
      }
      let most = min(rest.range.count, Self.largestChunk, fair, max(1, timely ?? 1))
      let size = rest.isOneByOne ? 1 : withoutTooMuch(rest.range.prefix(most))
      state.left -= size
      let end = rest.range.lowerBound + size
      if end < rest.range.upperBound {
        state.rest.append(Rest(range: end..<rest.range.upperBound, isOneByOne: rest.isOneByOne))
      }
      return rest.range.lowerBound..<end
    }
  }

  /// A block of the arena costs a descriptor on each side, and memory.
  private static var mostBlocks: Int { 16 }
  private static var mostBytes: Int { 64 << 20 }

  /// How many of these may be a chunk: of large arrays not many, and one at least.
  private func withoutTooMuch(_ range: Range<Int>) -> Int {
    guard Function.Input.self is any PlainArray.Type else { return range.count }
    var (blocks, bytes) = (0, 0)
    for index in range {
      guard let count = (inputs[index] as? any PlainArray)?.plainByteCount, count >= Arena.smallestArray else {
        continue
      }
      blocks += 1
      bytes += count
      if blocks > Self.mostBlocks || bytes > Self.mostBytes { return max(1, index - range.lowerBound) }
    }
    return range.count
  }

  private func run(_ range: Range<Int>) async throws {
    let start = ContinuousClock.now
    do {
      let frame = try FunctionFrame.make(Function.self, name, inputs[range])
      switch await core.answer(name.display, frame, options) {
      case .reply(let reply):
        let results = try ChunkResults<Function.Output>(try reply.result(), count: range.count)
        note(results, range, ContinuousClock.now - start)
      case .failure(let crash as WorkerCrash): note(crash, range, at: crash.element)
      case .failure(let late as CallDeadlineExceeded): note(late, range, at: nil)
      case .failure(let error): throw NoElementsError(error: error)
      case .granted: throw NoElementsError(error: FrameReader.Malformed())
      }
    } catch let error as NoElementsError {
      throw error.error
    } catch {
      // It did not encode or decode, here or there.
      note(error, range, at: nil)
    }
  }

  /// Of the pool, and not of what is computed.
  private struct NoElementsError: Error {
    let error: any Error
  }

  private func note(_ results: ChunkResults<Function.Output>, _ range: Range<Int>, _ time: Duration) {
    let (seconds, attoseconds) = time.components
    let each = (Double(seconds) + Double(attoseconds) * 1e-18) / Double(range.count)
    state.withLock { state in
      if let last = state.secondsPerElement {
        state.secondsPerElement = each < last ? max(each, last / Self.largestStep) : (last + each) / 2
      } else {
        state.secondsPerElement = each
      }
      state.pieces.append(Piece(start: range.lowerBound, results: results))
      if !results.failures.isEmpty { noteFailure(&state) }
    }
  }

  private func noteFailure(_ state: inout State) { state.isStopped = state.isStopped || stopsAtFailure }

  /// One element has failed, and the others go again; all of them one by one where nobody knows which it was.
  private func note(_ error: any Error, _ range: Range<Int>, at element: Int?) {
    state.withLock { state in
      // It comes from memory that the worker writes.
      guard let offset = range.count == 1 ? 0 : element, (0..<range.count).contains(offset) else {
        state.rest.append(Rest(range: range, isOneByOne: true))
        state.left += range.count
        return
      }
      let index = range.lowerBound + offset
      state.pieces.append(Piece(start: index, results: ChunkResults([], [(0, error)])))
      noteFailure(&state)
      for rest in [range.lowerBound..<index, (index + 1)..<range.upperBound] where !rest.isEmpty {
        state.rest.append(Rest(range: rest))
        state.left += rest.count
      }
    }
  }
}
