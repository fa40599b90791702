/// The results of calls as they come, each with its input, and each a success or a failure of its own: a crash costs the
/// one element that was being computed.
///
/// It is made by `outcomes(of:ordered:options:_:)` of ``WorkerPool``. Each iteration makes the calls anew. At most
/// ``WorkerPool/window`` inputs have been taken whose results have not: a reader that is slow slows the calls down.
/// Leaving the loop cancels the calls that are under way.
public struct WorkerOutcomes<Input: Sendable, Output: Sendable>: AsyncSequence {
  public typealias Element = (input: Input, outcome: Result<Output, any Error>)
  typealias Call = @Sendable (Input) async throws -> Output

  /// How inputs are had.
  enum Source {
    /// By asking, whenever there is room.
    case pulled(() -> () -> Input?)
    /// From a task that waits for them, and puts them into the window.
    case awaited(@Sendable (ResultWindow<Input, Output>) async throws -> Void)
  }

  let source: Source
  let size: Int
  let isOrdered: Bool
  let call: Call

  public func makeAsyncIterator() -> Iterator {
    let window = ResultWindow(size: size, isOrdered: isOrdered, call: call)
    switch source {
    case .pulled(let make): return Iterator(window, pull: make(), feed: nil)
    case .awaited(let feed): return Iterator(window, pull: nil, feed: feed)
    }
  }

  public struct Iterator: AsyncIteratorProtocol {
    private let use: WindowUse<Input, Output>
    private var pull: (() -> Input?)?
    private var feed: (@Sendable (ResultWindow<Input, Output>) async throws -> Void)?

    init(
      _ window: ResultWindow<Input, Output>, pull: (() -> Input?)?,
      feed: (@Sendable (ResultWindow<Input, Output>) async throws -> Void)?
    ) {
      use = WindowUse(window)
      self.pull = pull
      self.feed = feed
    }

    /// - Throws: `CancellationError` when the task is cancelled; what the sequence of inputs throws, after the results of
    ///   those before.
    public mutating func next() async throws -> Element? {
      try Task.checkCancellation()
      let window = use.window
      if let feed = feed.take() { window.fill(by: feed) }
      while let pull, window.takeRoom() {
        if let input = pull() {
          window.start(input)
        } else {
          window.endInputs(nil)
          self.pull = nil
        }
      }
      return try await withTaskCancellationHandler {
        try await window.next()
      } onCancel: {
        window.cancel()
      }
    }
  }
}

/// The results of calls as they come, each with its input.
///
/// It is made by `results(of:ordered:options:_:)` of ``WorkerPool``. The first error ends it, after the calls under way
/// have been cancelled; where each element's error is its own affair, take `outcomes(of:ordered:options:_:)`.
public struct WorkerResults<Input: Sendable, Output: Sendable>: AsyncSequence {
  public typealias Element = (input: Input, output: Output)

  let outcomes: WorkerOutcomes<Input, Output>

  public func makeAsyncIterator() -> Iterator { Iterator(outcomes.makeAsyncIterator()) }

  public struct Iterator: AsyncIteratorProtocol {
    private var outcomes: WorkerOutcomes<Input, Output>.Iterator?

    init(_ outcomes: WorkerOutcomes<Input, Output>.Iterator) { self.outcomes = outcomes }

    /// - Throws: the error of the element whose turn it is; then the sequence is at its end.
    public mutating func next() async throws -> Element? {
      do {
        guard let (input, outcome) = try await outcomes?.next() else { return nil }
        return (input, try outcome.get())
      } catch {
        // The calls under way are cancelled with it.
        outcomes = nil
        throw error
      }
    }
  }
}

/// Cancels what a window has under way once nobody iterates any more.
private final class WindowUse<Input: Sendable, Output: Sendable>: Sendable {
  let window: ResultWindow<Input, Output>

  init(_ window: ResultWindow<Input, Output>) { self.window = window }
  deinit { window.cancel() }
}
