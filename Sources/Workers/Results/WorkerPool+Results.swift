extension WorkerPool {
  /// Makes a call for each of the inputs, and gives the results as they come, each with its input.
  ///
  /// ```swift
  /// for try await (upload, summary) in pool.results(of: uploads, ordered: false, { try await $0.parse($1) }) {
  ///   print(upload.count, summary)
  /// }
  /// ```
  ///
  /// An input is taken when there is room for it, and never before: at most ``window`` have been taken whose results
  /// have not. Inputs that are not taken stay where they are. The first error is thrown when its turn comes and ends the
  /// sequence; where a crash of one element must not cost the others, take `outcomes(of:ordered:options:_:)`.
  ///
  /// - Parameters:
  ///   - ordered: whether results come in the order of the inputs, and not in that in which calls end.
  ///   - options: of the calls.
  ///   - body: makes the call.
  public func results<Inputs: Sequence, Output: Sendable>(
    of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init(),
    _ body: @escaping @Sendable (Worker, Inputs.Element) async throws -> Output
  ) -> WorkerResults<Inputs.Element, Output> where Inputs.Element: Sendable {
    WorkerResults(outcomes: outcomes(of: inputs, ordered: ordered, options: options, body))
  }

  /// The same for inputs that come over time. Results do not wait for the next input.
  public func results<Inputs: AsyncSequence & Sendable, Output: Sendable>(
    of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init(),
    _ body: @escaping @Sendable (Worker, Inputs.Element) async throws -> Output
  ) -> WorkerResults<Inputs.Element, Output> where Inputs.Element: Sendable {
    WorkerResults(outcomes: outcomes(of: inputs, ordered: ordered, options: options, body))
  }

  /// As `results(of:ordered:options:_:)`, but each element has a result or an error of its own, a ``WorkerCrash`` for
  /// instance, and the others come all the same.
  public func outcomes<Inputs: Sequence, Output: Sendable>(
    of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init(),
    _ body: @escaping @Sendable (Worker, Inputs.Element) async throws -> Output
  ) -> WorkerOutcomes<Inputs.Element, Output> where Inputs.Element: Sendable {
    WorkerOutcomes(source: .pulling(inputs), plan: plan(ordered, options, body))
  }

  /// The same for inputs that come over time.
  public func outcomes<Inputs: AsyncSequence & Sendable, Output: Sendable>(
    of inputs: Inputs, ordered: Bool = true, options: CallOptions = .init(),
    _ body: @escaping @Sendable (Worker, Inputs.Element) async throws -> Output
  ) -> WorkerOutcomes<Inputs.Element, Output> where Inputs.Element: Sendable {
    WorkerOutcomes(source: .awaiting(inputs), plan: plan(ordered, options, body))
  }

  /// Each input is a call of its own.
  private func plan<Input: Sendable, Output: Sendable>(
    _ isOrdered: Bool, _ options: CallOptions, _ body: @escaping @Sendable (Worker, Input) async throws -> Output
  ) -> ResultWindow<Input, Output>.Plan {
    let call = { @Sendable (inputs: [Input]) async -> [Result<Output, any Error>] in
      var outcomes: [Result<Output, any Error>] = []
      for input in inputs {
        do {
          outcomes.append(.success(try await self.run(options: options) { try await body($0, input) }))
        } catch {
          outcomes.append(.failure(error))
        }
      }
      return outcomes
    }
    return .init(size: window, busy: window, isOrdered: isOrdered, chunkLimit: { 1 }, call: call)
  }
}
