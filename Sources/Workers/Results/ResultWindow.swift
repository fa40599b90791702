import Interprocess
import Synchronization

/// Calls under way for inputs taken one after another, and their results until somebody takes those.
///
/// Each input has one of `size` places, from before it is taken to when its result is.
final class ResultWindow<Input: Sendable, Output: Sendable>: Sendable {
  typealias Element = (input: Input, outcome: Result<Output, any Error>)

  private struct State {
    var freePlaces: Int
    /// The number of the next input, and of the next result where they are in order.
    var nextInput = 0
    var nextResult = 0
    var results: [Int: Element] = [:]
    /// Without order: as they came.
    var arrivals: [Int] = []
    var underWay: [Int: Task<Void, Never>] = [:]
    var feeder: Task<Void, Never>?
    var isAtEnd = false
    var inputError: (any Error)?
    var isCancelled = false
    var reader: CheckedContinuation<Void, Never>?
    var feederWaits: CheckedContinuation<Bool, Never>?
  }

  private let isOrdered: Bool
  private let call: @Sendable (Input) async throws -> Output
  private let state: Mutex<State>

  init(size: Int, isOrdered: Bool, call: @escaping @Sendable (Input) async throws -> Output) {
    self.isOrdered = isOrdered
    self.call = call
    state = Mutex(State(freePlaces: max(1, size)))
  }

  // MARK: Inputs

  /// Takes a place for the next input.
  func takeRoom() -> Bool {
    state.withLock { state in
      if state.freePlaces == 0 || state.isCancelled { return false }
      state.freePlaces -= 1
      return true
    }
  }

  /// Waits for a place for the next input.
  ///
  /// - Returns: whether there is one: not when nobody wants results any more.
  func room() async -> Bool {
    await withCheckedContinuation { continuation in
      let isGranted = state.withLock { state -> Bool? in
        if state.isCancelled { return false }
        if state.freePlaces > 0 {
          state.freePlaces -= 1
          return true
        }
        state.feederWaits = continuation
        return nil
      }
      if let isGranted { continuation.resume(returning: isGranted) }
    }
  }

  /// Makes the call for an input whose place has been taken.
  func start(_ input: Input) {
    state.withLock { state in
      let number = state.nextInput
      state.nextInput += 1
      let task = Task { [call] in
        let outcome: Result<Output, any Error>
        do {
          outcome = .success(try await call(input))
        } catch {
          outcome = .failure(error)
        }
        self.note((input, outcome), number)
      }
      state.underWay[number] = task
      if state.isCancelled { task.cancel() }
    }
  }

  /// No more inputs will come, for that reason.
  func endInputs(_ error: (any Error)?) {
    let reader = state.withLock { state in
      state.isAtEnd = true
      state.inputError = error
      return state.reader.take()
    }
    reader?.resume()
  }

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

  // MARK: Results

  private func note(_ element: Element, _ number: Int) {
    let reader = state.withLock { state in
      state.underWay[number] = nil
      state.results[number] = element
      if !isOrdered { state.arrivals.append(number) }
      return state.reader.take()
    }
    reader?.resume()
  }

  private enum Look {
    case element(Element, CheckedContinuation<Bool, Never>?)
    case end((any Error)?)
    case later
  }

  private func look(_ state: inout State) -> Look {
    let number = isOrdered ? state.nextResult : state.arrivals.first
    if let number, let element = state.results.removeValue(forKey: number) {
      state.nextResult += 1
      if !isOrdered { state.arrivals.removeFirst() }
      // The place goes to the feeder, if it waits for one.
      let feeder = state.feederWaits.take()
      if feeder == nil { state.freePlaces += 1 }
      return .element(element, feeder)
    }
    guard isOver(state) else { return .later }
    return .end(state.inputError.take() ?? (state.isAtEnd ? nil : CancellationError()))
  }

  /// All results have been taken, and no more inputs come.
  private func isOver(_ state: State) -> Bool {
    (state.isAtEnd || state.isCancelled) && state.nextResult == state.nextInput
  }

  /// The next result, once it is there; `nil` after the last.
  func next() async throws -> Element? {
    while true {
      switch state.withLock({ look(&$0) }) {
      case .element(let element, let feeder):
        feeder?.resume(returning: true)
        return element
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
        let number = isOrdered ? state.nextResult : state.arrivals.first
        if let number, state.results[number] != nil { return true }
        if isOver(state) { return true }
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
      return (Array(state.underWay.values), state.feeder, state.feederWaits.take(), state.reader.take())
    }
    reader?.resume()
    feeder?.cancel()
    for task in tasks { task.cancel() }
    waiting?.resume(returning: false)
  }
}
