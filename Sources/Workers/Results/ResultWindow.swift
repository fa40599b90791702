import Interprocess
import Synchronization

/// Calls under way for inputs taken one after another, and their results until somebody takes those.
///
/// Inputs go in chunks, whose size may change while they do. At most ``Plan/size`` chunks' worth of inputs have been
/// taken whose results have not.
final class ResultWindow<Input: Sendable, Output: Sendable>: Sendable {
  /// What is done with inputs, and how many at a time.
  struct Plan: Sendable {
    /// How many calls may be under way.
    let size: Int
    /// With fewer under way, some worker has nothing to do.
    let busy: Int
    let isOrdered: Bool
    /// How many inputs make a chunk, one at least.
    let chunkLimit: @Sendable () -> Int
    /// Computes a chunk: an outcome for each of its inputs.
    let call: @Sendable ([Input]) async -> [Result<Output, any Error>]
  }

  private struct State {
    /// How many inputs have been taken whose results have not.
    var taken = 0
    /// What may be taken of inputs that come over time, before it is asked again whether there is room.
    var load = ChunkLoad<Input>(atMost: 0)
    /// Of these, those that wait for others to go with them.
    var gathered: [Input] = []
    var nextChunk = 0
    /// By the number of their chunk where they are in order; else as they came.
    var results: [Int: ResultChunk<Input, Output>] = [:]
    var arrived = 0
    var nextResult = 0
    var underWay: [Int: Task<Void, Never>] = [:]
    var feeder: Task<Void, Never>?
    var isAtEnd = false
    var inputError: (any Error)?
    var isCancelled = false
    var reader: CheckedContinuation<Void, Never>?
    var feederWaits: CheckedContinuation<Bool, Never>?
  }

  private let plan: Plan
  private let state = Mutex(State())

  init(_ plan: Plan) { self.plan = plan }

  /// How many inputs there is room for, of one chunk: none, or as many as a chunk may have.
  private func room(_ state: State) -> Int {
    let limit = plan.chunkLimit()
    let isThere =
      !state.isCancelled && state.gathered.isEmpty && state.underWay.count < plan.size
      && state.taken <= (plan.size - 1) * limit
    return isThere ? limit : 0
  }

  private func start(_ inputs: [Input], _ state: inout State) {
    let number = state.nextChunk
    state.nextChunk += 1
    let task = Task { [plan] in
      let outcomes = await plan.call(inputs)
      self.note(ResultChunk(inputs, outcomes), number)
    }
    state.underWay[number] = task
    if state.isCancelled { task.cancel() }
  }

  /// No more inputs will come, for that reason.
  func endInputs(_ error: (any Error)?) {
    let reader = state.withLock { state in
      state.isAtEnd = true
      state.inputError = error
      startGathered(&state)
      return state.reader.take()
    }
    reader?.resume()
  }

  // MARK: Inputs that are there

  /// How many inputs to take for the next chunk; none where there is no room for it.
  ///
  /// - Parameter isUrgent: whether to take more though there are results that nobody has taken.
  func room(isUrgent: Bool) -> Int {
    state.withLock { state in isUrgent || !hasNext(state) ? room(state) : 0 }
  }

  /// Makes the call for a chunk.
  func start(_ inputs: [Input]) {
    state.withLock { state in
      state.taken += inputs.count
      start(inputs, &state)
    }
  }

  // MARK: Inputs that come over time

  /// Has a task take the inputs.
  func fill(by feed: @escaping @Sendable (ResultWindow<Input, Output>) async throws -> Void) {
    state.withLock { state in
      state.feeder = Task {
        do {
          try await feed(self)
          self.endInputs(nil)
        } catch {
          self.endInputs(error)
        }
      }
    }
  }

  /// Waits until the next input may be taken.
  ///
  /// - Returns: whether it may: not when nobody wants results any more.
  func mayTake() async -> Bool {
    if let isGranted = state.withLock({ grant(&$0) }) { return isGranted }
    return await withCheckedContinuation { continuation in
      let isGranted = state.withLock { state in
        let isGranted = grant(&state)
        if isGranted == nil { state.feederWaits = continuation }
        return isGranted
      }
      if let isGranted { continuation.resume(returning: isGranted) }
    }
  }

  /// Takes an input. It goes at once where a worker has nothing to do, and else with others.
  func add(_ input: Input) {
    state.withLock { state in
      if state.isCancelled { return }
      state.taken += 1
      state.load.add(input)
      state.gathered.append(input)
      startGathered(&state)
    }
  }

  /// Whether the next input may be taken; `nil`: not yet.
  private func grant(_ state: inout State) -> Bool? {
    if state.isCancelled { return false }
    if !state.load.isFull { return true }
    let room = room(state)
    guard room > 0 else { return nil }
    state.load = ChunkLoad(atMost: room)
    return true
  }

  private func startGathered(_ state: inout State) {
    let isWhole = state.load.isFull || state.isAtEnd
    guard !state.gathered.isEmpty, state.underWay.count < (isWhole ? plan.size : plan.busy) else { return }
    start(state.gathered, &state)
    state.gathered = []
  }

  /// The one who waits to take an input, when he may.
  private func feederToResume(_ state: inout State) -> CheckedContinuation<Bool, Never>? {
    guard state.feederWaits != nil, grant(&state) == true else { return nil }
    return state.feederWaits.take()
  }

  // MARK: Results

  private func note(_ chunk: ResultChunk<Input, Output>, _ number: Int) {
    let (reader, feeder) = state.withLock { state in
      state.underWay[number] = nil
      state.results[plan.isOrdered ? number : state.arrived] = chunk
      state.arrived += 1
      startGathered(&state)
      return (state.reader.take(), feederToResume(&state))
    }
    reader?.resume()
    feeder?.resume(returning: true)
  }

  private func hasNext(_ state: State) -> Bool { state.results[state.nextResult] != nil }

  private enum Look {
    case chunk(ResultChunk<Input, Output>, CheckedContinuation<Bool, Never>?)
    case end((any Error)?)
    case later
  }

  private func look(_ state: inout State) -> Look {
    if let chunk = state.results.removeValue(forKey: state.nextResult) {
      state.nextResult += 1
      state.taken -= chunk.count
      return .chunk(chunk, feederToResume(&state))
    }
    guard isOver(state) else { return .later }
    return .end(state.inputError.take() ?? (state.isAtEnd ? nil : CancellationError()))
  }

  /// All results have been taken, and no more inputs come.
  private func isOver(_ state: State) -> Bool {
    (state.isAtEnd || state.isCancelled) && state.gathered.isEmpty && state.nextResult == state.nextChunk
  }

  /// The next results, once they are there; `nil` after the last.
  func next() async throws -> ResultChunk<Input, Output>? {
    while true {
      switch state.withLock({ look(&$0) }) {
      case .chunk(let chunk, let feeder):
        feeder?.resume(returning: true)
        return chunk
      case .end(let error):
        if let error { throw error }
        return nil
      case .later: await change()
      }
    }
  }

  /// Suspends until there may be something to take.
  private func change() async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if hasNext(state) || isOver(state) { return true }
        state.reader = continuation
        return false
      }
      if isThere { continuation.resume() }
    }
  }

  /// Cancels the calls under way, and takes no more inputs.
  func cancel() {
    let (tasks, feeder, waiting, reader) = state.withLock { state in
      state.isCancelled = true
      state.gathered = []
      return (Array(state.underWay.values), state.feeder, state.feederWaits.take(), state.reader.take())
    }
    reader?.resume()
    feeder?.cancel()
    for task in tasks { task.cancel() }
    waiting?.resume(returning: false)
  }
}
