extension WorkerPool {
  /// Computes a function of each of the inputs, and gives the results as they come, each with its input.
  ///
  /// ```swift
  /// for try await (slice, sum) in pool.results(Slice.self, of: slices, ordered: false) {
  ///   print(slice, sum)
  /// }
  /// ```
  ///
  /// The elements travel in chunks, as large as their duration suggests. A chunk's inputs are taken when there is room for
  /// it, and never before: at most ``window`` chunks' worth has been taken whose results have not, so there may be no end
  /// of inputs. The first error is thrown when its turn comes and ends the sequence; where it must not cost the others, take
  /// `outcomes(_:of:ordered:options:)`.
  ///
  /// - Parameters:
  ///   - ordered: whether results come in the order of the inputs, and not in that in which chunks end.
  ///   - options: of the calls.
  public func results<Function: WorkerFunction>(
    _ function: Function.Type, of inputs: some Sequence<Function.Input>, ordered: Bool = true,
    options: CallOptions = .init()
  ) -> WorkerResults<Function.Input, Function.Output> {
    WorkerResults(outcomes: outcomes(function, of: inputs, ordered: ordered, options: options))
  }

  /// The same for inputs that come over time. Results do not wait for the next input: while a worker has nothing to do, no
  /// input waits for others to go with it.
  public func results<Function: WorkerFunction, Inputs: AsyncSequence & Sendable>(
    _ function: Function.Type, of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init()
  ) -> WorkerResults<Function.Input, Function.Output> where Inputs.Element == Function.Input {
    WorkerResults(outcomes: outcomes(function, of: inputs, ordered: ordered, options: options))
  }

  /// As `results(_:of:ordered:options:)`, but each element has a result or an error of its own, a ``WorkerCrash`` for
  /// instance, and the others come all the same.
  public func outcomes<Function: WorkerFunction>(
    _ function: Function.Type, of inputs: some Sequence<Function.Input>, ordered: Bool = true,
    options: CallOptions = .init()
  ) -> WorkerOutcomes<Function.Input, Function.Output> {
    WorkerOutcomes(source: .pulling(inputs), plan: plan(function, ordered, options))
  }

  /// The same for inputs that come over time.
  public func outcomes<Function: WorkerFunction, Inputs: AsyncSequence & Sendable>(
    _ function: Function.Type, of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init()
  ) -> WorkerOutcomes<Function.Input, Function.Output> where Inputs.Element == Function.Input {
    WorkerOutcomes(source: .awaiting(inputs), plan: plan(function, ordered, options))
  }

  /// A chunk is a call. In this process there is one at a time, as in a worker.
  private func plan<Function: WorkerFunction>(
    _: Function.Type, _ isOrdered: Bool, _ options: CallOptions
  ) -> ResultWindow<Function.Input, Function.Output>.Plan {
    let calls = FunctionCalls<Function>(core, options, keepsResults: true)
    let size = core == nil ? 1 : window
    let busy = min(size, configuration.rules.maximum + 1)
    let call = { @Sendable (inputs: [Function.Input]) async -> [Result<Function.Output, any Error>] in
      do {
        try self.checkInline()
        return try await calls.results(of: inputs[...]).outcomes
      } catch {
        // The pool's end, or the reader's: none of them has a result.
        return inputs.map { _ in .failure(error) }
      }
    }
    return .init(size: size, busy: busy, isOrdered: isOrdered, chunkLimit: { calls.chunkLimit }, call: call)
  }
}
