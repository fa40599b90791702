import Interprocess
import SystemPackage

extension WorkerPool {
  /// Makes a call for each of the inputs, and gives the results in their order.
  ///
  /// At most ``window`` calls are under way at a time; inputs are taken as they are needed.
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
    return outputs.compactMap { $0 }
  }

  /// How many inputs of `map` and `results`, or chunks of them where they travel in chunks, have been taken at most whose
  /// results have not: twice as many as there may be workers, so that none waits for its next, and not more than the pool
  /// lets wait.
  public var window: Int { configuration.window }

  /// Computes a function of each of the inputs, and gives the results in their order. The elements travel in chunks, as
  /// large as their duration suggests.
  ///
  /// - Throws: an element's error, the first in order of those there are; what has not been begun then is not computed.
  public func map<Function: WorkerFunction>(
    _ function: Function.Type, _ inputs: some Collection<Function.Input>, options: CallOptions = .init()
  ) async throws -> [Function.Output] {
    var outputs: [Function.Output] = []
    outputs.reserveCapacity(inputs.count)
    for results in try await results(of: function, inputs, options, stoppingAtFailure: true) {
      if let failure = results.failures.first { throw failure.error }
      outputs += results.outputs
    }
    return outputs
  }

  /// Computes a function of each of the inputs; an element's error, a crash among them, is that element's alone.
  ///
  /// - Throws: what is no element's error: the pool's end, cancellation.
  public func mapOutcomes<Function: WorkerFunction>(
    _ function: Function.Type, _ inputs: some Collection<Function.Input>, options: CallOptions = .init()
  ) async throws -> [Result<Function.Output, any Error>] {
    var outcomes: [Result<Function.Output, any Error>] = []
    outcomes.reserveCapacity(inputs.count)
    for results in try await results(of: function, inputs, options) { outcomes += results.outcomes }
    return outcomes
  }

  private func results<Function: WorkerFunction>(
    of function: Function.Type, _ inputs: some Collection<Function.Input>, _ options: CallOptions,
    stoppingAtFailure: Bool = false
  ) async throws -> [ChunkResults<Function.Output>] {
    try checkInline()
    let calls = FunctionCalls<Function>(core, options, stopsAtFailure: stoppingAtFailure)
    let inputs = Array(inputs)
    if core == nil { return [try await calls.results(of: inputs[...])] }
    return try await FunctionJob(calls, inputs).run(workers: configuration.rules.maximum, window: window)
  }

  /// Computes a function of one input.
  ///
  /// - Throws: what the function throws; and what a call of an actor throws, see ``run(options:_:)``.
  public func call<Function: WorkerFunction>(
    _ function: Function.Type, _ input: Function.Input, options: CallOptions = .init()
  ) async throws -> Function.Output {
    guard let core else {
      try checkInline()
      return try await function.call(input)
    }
    let name = try TypeNames.name(of: function)
    return try await CallTrace.withCallerSpan(name.display) {
      // What a chunk needs would cost a number as much as the rest of its call.
      let isOfNumbers = Numbers.include(bothOf: function)
      let call = core.begin(
        .any, name: name.display,
        isOfNumbers ? FunctionFrame.make(name, number: input) : try FunctionFrame.make(function, name, [input]), options
      )
      // Only what is not there yet is worth a function that may suspend.
      let answer = if let seen = call.answer { seen } else { await core.answer(to: call) }
      let reply = try answer.reply()
      return isOfNumbers ? try reply.number() : try ChunkResults(reply, count: 1).onlyOutput()
    }
  }
}

extension WorkerPoolConfiguration {
  var window: Int {
    let workers = rules.maximum
    return workers + min(workers, max(0, queueLimit ?? workers))
  }
}
