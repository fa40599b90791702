/// Inputs that went together, and what came of them, to be taken one by one.
struct ResultChunk<Input: Sendable, Output: Sendable>: Sendable {
  private let inputs: [Input]
  private let outcomes: [Result<Output, any Error>]
  private var index = 0

  /// - Parameter outcomes: one for each input.
  init(_ inputs: [Input] = [], _ outcomes: [Result<Output, any Error>] = []) {
    self.inputs = inputs
    self.outcomes = outcomes
  }

  var count: Int { inputs.count }

  mutating func next() -> (input: Input, outcome: Result<Output, any Error>)? {
    guard index < inputs.count else { return nil }
    defer { index += 1 }
    return (inputs[index], outcomes[index])
  }
}
