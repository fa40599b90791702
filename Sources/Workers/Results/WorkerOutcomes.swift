import Interprocess

/// The results of calls as they come, each with its input, and each a success or a failure of its own: a crash costs the
/// one element that was being computed.
///
/// It is made by `outcomes(of:ordered:options:_:)` and `outcomes(_:of:ordered:options:)` of ``WorkerPool``. Each
/// iteration makes the calls anew. At most ``WorkerPool/window`` inputs, or chunks' worth of them, have been taken whose
/// results have not: a reader that is slow slows the calls down. Leaving the loop cancels the calls that are under way.
public struct WorkerOutcomes<Input: Sendable, Output: Sendable>: AsyncSequence {
  public typealias Element = (input: Input, outcome: Result<Output, any Error>)
  typealias Window = ResultWindow<Input, Output>
  typealias Feed = @Sendable (Window) async throws -> Void

  /// How inputs are had.
  enum Source {
    /// By asking, whenever there is room.
    case pulled(() -> () -> Input?)
    /// From a task that waits for them, and puts them into the window.
    case awaited(Feed)

    static func pulling(_ inputs: some Sequence<Input>) -> Source {
      .pulled {
        var iterator = inputs.makeIterator()
        return { iterator.next() }
      }
    }

    static func awaiting<Inputs: AsyncSequence & Sendable>(_ inputs: Inputs) -> Source where Inputs.Element == Input {
      .awaited { window in
        var iterator = inputs.makeAsyncIterator()
        while await window.mayTake(), let input = try await iterator.next() { window.add(input) }
      }
    }
  }

  let source: Source
  let plan: Window.Plan

  public func makeAsyncIterator() -> Iterator {
    let window = Window(plan)
    switch source {
    case .pulled(let make): return Iterator(window, pull: make(), feed: nil)
    case .awaited(let feed): return Iterator(window, pull: nil, feed: feed)
    }
  }

  public struct Iterator: AsyncIteratorProtocol {
    private let use: WindowUse<Input, Output>
    private var pull: (() -> Input?)?
    private var feed: Feed?
    private var chunk = ResultChunk<Input, Output>()

    init(_ window: Window, pull: (() -> Input?)?, feed: Feed?) {
      use = WindowUse(window)
      self.pull = pull
      self.feed = feed
    }

    /// - Throws: `CancellationError` when the task is cancelled; what the sequence of inputs throws, after the results of
    ///   those before.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Element? {
      try Task.checkCancellation()
      if let element = chunk.next() { return element }
      let window = use.window
      if let feed = feed.take() { window.fill(by: feed) }
      pullInputs()
      let next = try await withTaskCancellationHandler {
        try await window.next()
      } onCancel: {
        window.cancel()
      }
      chunk = next ?? ResultChunk()
      return chunk.next()
    }

    /// The same, from no actor.
    public mutating func next() async throws -> Element? { try await next(isolation: nil) }

    /// Pulls a chunk if there is room, and more as long as there is nothing to be given out.
    private mutating func pullInputs() {
      var isUrgent = true
      while let pull {
        let room = use.window.room(isUrgent: isUrgent)
        if room == 0 { return }
        let inputs = pullChunk(of: room, pull)
        if !inputs.isEmpty { use.window.start(inputs) }
        if self.pull == nil { use.window.endInputs(nil) }
        isUrgent = false
      }
    }

    /// Pulls so many inputs, or those that come in the time that a chunk may take.
    private mutating func pullChunk(of count: Int, _ pull: () -> Input?) -> [Input] {
      let end = MonotonicTime.now + ChunkLimit.nanoseconds
      var load = ChunkLoad<Input>(atMost: count)
      var inputs: [Input] = []
      repeat {
        guard let input = pull() else {
          self.pull = nil
          break
        }
        inputs.append(input)
        load.add(input)
      } while !load.isFull && MonotonicTime.now < end
      return inputs
    }
  }
}

/// The results of calls as they come, each with its input.
///
/// It is made by `results(of:ordered:options:_:)` and `results(_:of:ordered:options:)` of ``WorkerPool``. The first error
/// ends it, after the calls under way have been cancelled; where each element's error is its own affair, take `outcomes`.
public struct WorkerResults<Input: Sendable, Output: Sendable>: AsyncSequence {
  public typealias Element = (input: Input, output: Output)

  let outcomes: WorkerOutcomes<Input, Output>

  public func makeAsyncIterator() -> Iterator { Iterator(outcomes.makeAsyncIterator()) }

  public struct Iterator: AsyncIteratorProtocol {
    private var outcomes: WorkerOutcomes<Input, Output>.Iterator?

    init(_ outcomes: WorkerOutcomes<Input, Output>.Iterator) { self.outcomes = outcomes }

    /// - Throws: the error of the element whose turn it is; then the sequence is at its end.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Element? {
      do {
        guard let (input, outcome) = try await outcomes?.next(isolation: actor) else { return nil }
        return (input, try outcome.get())
      } catch {
        // The calls under way are cancelled with it.
        outcomes = nil
        throw error
      }
    }

    /// The same, from no actor.
    public mutating func next() async throws -> Element? { try await next(isolation: nil) }
  }
}

/// Cancels what a window has under way once nobody iterates any more.
private final class WindowUse<Input: Sendable, Output: Sendable>: Sendable {
  let window: ResultWindow<Input, Output>

  init(_ window: ResultWindow<Input, Output>) { self.window = window }
  deinit { window.cancel() }
}
