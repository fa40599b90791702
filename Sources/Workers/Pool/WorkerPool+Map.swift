import Interprocess
import SystemPackage

extension WorkerPool {
  /// Makes a call for each of the inputs, and gives the results in their order.
  ///
  /// A few more calls than there are workers are under way at a time; inputs are taken as they are needed.
  ///
  /// - Throws: the first error, after the calls under way have been cancelled.
  public func map<Inputs: Sequence, Output: Sendable>(
    _ inputs: Inputs, options: CallOptions = .init(),
    _ body: @escaping @Sendable (Worker, Inputs.Element) async throws -> Output
  ) async throws -> [Output] where Inputs.Element: Sendable {
    var outputs: [Output?] = []
    try await withThrowingTaskGroup(of: (Int, Output).self) { group in
      var underWay = 0
      for (index, input) in inputs.enumerated() {
        if underWay == window, let (done, output) = try await group.next() {
          outputs[done] = output
          underWay -= 1
        }
        outputs.append(nil)
        underWay += 1
        group.addTask { (index, try await self.run(options: options) { try await body($0, input) }) }
      }
      for try await (done, output) in group { outputs[done] = output }
    }
    return outputs.compactMap(\.self)
  }

  /// How many calls are under way at once, so that no worker waits for its next.
  var window: Int { 2 * max(1, configuration.count) }

  /// Computes a function of each of the inputs, and gives the results in their order. The elements travel in chunks, as
  /// large as their duration suggests.
  ///
  /// - Throws: the first element's error.
  public func map<Function: WorkerFunction>(
    _ function: Function.Type, _ inputs: some Collection<Function.Input>, options: CallOptions = .init()
  ) async throws -> [Function.Output] {
    try await outcomes(of: function, inputs, options: options).map { try $0.get() }
  }

  /// Computes a function of each of the inputs; an element's error, a crash among them, is that element's alone.
  public func outcomes<Function: WorkerFunction>(
    of function: Function.Type, _ inputs: some Collection<Function.Input>, options: CallOptions = .init()
  ) async throws -> [Result<Function.Output, any Error>] {
    guard let core else { return try await inlineOutcomes(of: function, inputs) }
    let name = try TypeNames.name(of: function)
    let job = FunctionJob<Function>(core, name: name, inputs: Array(inputs), options)
    return try await job.run(workers: configuration.count)
  }

  private func inlineOutcomes<Function: WorkerFunction>(
    of function: Function.Type, _ inputs: some Collection<Function.Input>
  ) async throws -> [Result<Function.Output, any Error>] {
    var outcomes: [Result<Function.Output, any Error>] = []
    for input in inputs {
      do {
        outcomes.append(.success(try await function.call(input)))
      } catch {
        outcomes.append(.failure(error))
      }
    }
    return outcomes
  }

  /// Computes a function of one input.
  public func call<Function: WorkerFunction>(
    _ function: Function.Type, _ input: Function.Input, options: CallOptions = .init()
  ) async throws -> Function.Output {
    guard let outcome = try await outcomes(of: function, CollectionOfOne(input), options: options).first else {
      throw FrameReader.Malformed()
    }
    return try outcome.get()
  }
}
