import Interprocess
import Synchronization

/// Calls of a function for chunks of inputs, in workers or in this process.
///
/// When a worker dies, the element it was at has failed, and the others of its chunk go again. Where nobody knows which
/// element was to blame (for a deadline that a whole chunk has missed, inputs that do not decode), they go again one by
/// one.
final class FunctionCalls<Function: WorkerFunction>: Sendable {
  typealias Inputs = ArraySlice<Function.Input>
  typealias Results = ChunkResults<Function.Output>

  private struct State {
    var limit = ChunkLimit()
    var isStopped = false
  }

  /// What came of one call.
  private enum Attempt {
    case results(Results)
    /// None of the chunk's results; the offset of the element whose error it is, where that is known.
    case lost(any Error, at: Int?)
  }

  private let core: PoolCore?
  private let options: CallOptions
  private let stopsAtFailure: Bool
  private let keepsResults: Bool
  private let state = Mutex(State())

  /// - Parameters:
  ///   - core: `nil`: the function is computed in this process.
  ///   - stopsAtFailure: whether nothing is begun once an element has failed.
  ///   - keepsResults: whether the results that a chunk has already are kept when the pool ends, or the reader wants no more.
  init(_ core: PoolCore?, _ options: CallOptions, stopsAtFailure: Bool = false, keepsResults: Bool = false) {
    self.core = core
    self.options = options
    self.stopsAtFailure = stopsAtFailure
    self.keepsResults = keepsResults
  }

  /// How many elements should be a chunk, as far as is known.
  var chunkLimit: Int { state.withLock { $0.limit.count } }

  var isStopped: Bool { state.withLock { $0.isStopped } }

  /// What comes of a chunk: of all its elements, unless this stops at a failure.
  ///
  /// - Throws: what is no element's error: the pool's end, cancellation.
  func results(of inputs: Inputs) async throws -> Results {
    // The next last.
    var rest = [inputs.indices]
    var parts: [Part] = []
    while !isStopped, let range = rest.popLast() {
      do {
        parts += try await attempt(all: inputs[range], &rest)
      } catch let error where keepsResults && !parts.isEmpty {
        // The others have this for a result.
        for range in rest + [range] {
          parts.append((range.lowerBound, Results([], range.enumerated().map { ($0.offset, error) })))
        }
        break
      }
    }
    return Results(joining: parts.map { ($0.start - inputs.startIndex, $0.results) })
  }

  /// Where a part of the inputs begins, and what came of it.
  private typealias Part = (start: Int, results: Results)

  /// - Parameter rest: takes what is to be done again.
  private func attempt(all inputs: Inputs, _ rest: inout [Range<Int>]) async throws -> [Part] {
    let start = MonotonicTime.now
    switch try await attempt(inputs) {
    case .results(let results):
      note(results, inputs.count, results.duration(ofAtMost: MonotonicTime.now - start))
      return [(inputs.startIndex, results)]
    case .lost(let error, let element):
      // The offset comes from memory that the worker writes.
      guard let offset = inputs.count == 1 ? 0 : element, (0..<inputs.count).contains(offset) else {
        return try await oneByOne(inputs)
      }
      let index = inputs.startIndex + offset
      rest += [(index + 1)..<inputs.endIndex, inputs.startIndex..<index].filter { !$0.isEmpty }
      return [(index, noteFailure(error))]
    }
  }

  /// Nobody knows which it was: each goes alone, beside others where there is no limit to how many may wait.
  private func oneByOne(_ inputs: Inputs) async throws -> [Part] {
    state.withLock { $0.limit.noteLoss(of: inputs.count) }
    let width = core.map { $0.configuration.queueLimit == nil ? $0.configuration.rules.maximum : 1 } ?? 1
    return try await withThrowingTaskGroup(of: Part.self) { group in
      var parts: [Part] = []
      for (number, index) in inputs.indices.enumerated() where !isStopped {
        if number >= width, let part = try await group.next() { parts.append(part) }
        group.addTask { (index, try await self.results(of: inputs[index..<(index + 1)])) }
      }
      for try await part in group { parts.append(part) }
      return parts
    }
  }

  private func note(_ results: Results, _ count: Int, _ nanoseconds: Int64) {
    state.withLock { state in
      state.limit.note(count, tookNanoseconds: nanoseconds)
      if stopsAtFailure, !results.failures.isEmpty { state.isStopped = true }
    }
  }

  private func noteFailure(_ error: any Error) -> Results {
    if stopsAtFailure { state.withLock { $0.isStopped = true } }
    return Results([], [(0, error)])
  }

  private func attempt(_ inputs: Inputs) async throws -> Attempt {
    guard let core else { return .results(try await computed(inputs)) }
    let name = try TypeNames.name(of: Function.self)
    return try await CallTrace.withCallerSpan(name.display) {
      let frame: CallFrame
      do {
        frame = try FunctionFrame.make(Function.self, name, inputs)
      } catch {
        // It does not encode.
        return .lost(error, at: nil)
      }
      let call = core.begin(.any, name: name.display, frame, options)
      return try Self.attempt(await core.answer(to: call), inputs.count)
    }
  }

  private static func attempt(_ answer: PendingCall.Answer, _ count: Int) throws -> Attempt {
    switch answer {
    case .reply(let reply):
      do {
        return .results(try Results(try reply.result(), count: count))
      } catch {
        // It did not decode, here or there, or not encode there.
        return .lost(error, at: nil)
      }
    case .failure(let crash as WorkerCrash): return .lost(crash, at: crash.element)
    case .failure(let late as CallDeadlineExceeded): return .lost(late, at: nil)
    // Together they are too much for the pool, or one of them does not encode.
    case .failure(let error as WorkerCallError): return .lost(error, at: nil)
    case .failure(let error): throw error
    case .granted: throw FrameReader.Malformed()
    }
  }

  /// In this process.
  private func computed(_ inputs: Inputs) async throws -> Results {
    var outputs: [Function.Output] = []
    var failures: [(index: Int, error: any Error)] = []
    for (index, input) in inputs.enumerated() {
      try Task.checkCancellation()
      do {
        outputs.append(try await Function.call(input))
      } catch {
        failures.append((index, error))
        if stopsAtFailure { break }
      }
    }
    return Results(outputs, failures)
  }
}
