import Synchronization
import TestSupport
import Testing

@testable import Workers

@Suite("ResultWindow")
struct ResultWindowTests {
  @Test("inputs that come over time go at once, and with others while all workers are busy")
  func gathering() async throws {
    let gate = Gate()
    let window = gate.window(size: 3, busy: 2, chunkLimit: 10)
    try await add([0], to: window)
    try await gate.expectCalls([[0]])
    try await add([1], to: window)
    try await gate.expectCalls([[0], [1]])
    try await add([2, 3, 4, 5], to: window)
    // Whoever has nothing to do any more gets all that have come meanwhile.
    gate.endFirst()
    try await gate.expectCalls([[1], [2, 3, 4, 5]])
    try await add([6, 7], to: window)
    // Nothing more will come to go with them.
    window.endInputs(nil)
    try await gate.expectCalls([[1], [2, 3, 4, 5], [6, 7]])
    for _ in 0..<3 { gate.endFirst() }
    for chunk in [[0], [1], [2, 3, 4, 5], [6, 7]] { #expect(try await next(of: window) == chunk) }
    #expect(try await next(of: window) == nil)
  }

  @Test("a chunk that is whole goes though all workers are busy, and then there is room once results have been taken")
  func whole() async throws {
    let gate = Gate()
    let window = gate.window(size: 2, busy: 1, chunkLimit: 3)
    try await add([0], to: window)
    try await gate.expectCalls([[0]])
    try await add([1, 2], to: window)
    try await gate.expectCalls([[0], [1, 2]])
    gate.endFirst()
    try await add([3, 4, 5], to: window)
    try await gate.expectCalls([[1, 2], [3, 4, 5]])
    // Six have been taken, two chunks' worth.
    let isTaken = Mutex(false)
    let feeder = Task {
      try await add([6], to: window)
      isTaken.withLock { $0 = true }
    }
    #expect(try await next(of: window) == [0])
    gate.endFirst()
    try await Task.sleep(for: .milliseconds(20))
    #expect(!isTaken.withLock { $0 })
    #expect(try await next(of: window) == [1, 2])
    try await feeder.value
    window.cancel()
    gate.endFirst()
  }

  @Test("inputs are pulled while there is room for a chunk, and while results wait for no more than one")
  func pulling() async throws {
    let gate = Gate()
    let limit = Mutex(3)
    let window = gate.window(size: 3, busy: 3, chunkLimit: limit.withLock { $0 })
    #expect(window.room(isUrgent: true) == 3)
    window.start([0, 1, 2])
    try await gate.expectCalls([[0, 1, 2]])
    window.start([3, 4, 5])
    try await gate.expectCalls([[0, 1, 2], [3, 4, 5]])
    #expect(window.room(isUrgent: false) == 3)
    gate.endFirst()
    try await eventually("a result waits") { window.room(isUrgent: false) == 0 }
    #expect(window.room(isUrgent: true) == 3)
    window.start([6, 7, 8])
    try await gate.expectCalls([[3, 4, 5], [6, 7, 8]])
    // Nine have been taken, three chunks' worth.
    #expect(window.room(isUrgent: true) == 0)
    #expect(try await next(of: window) == [0, 1, 2])
    #expect(window.room(isUrgent: true) == 3)
    limit.withLock { $0 = 2 }
    #expect(window.room(isUrgent: true) == 0)
    limit.withLock { $0 = 4 }
    #expect(window.room(isUrgent: true) == 4)
    window.cancel()
    #expect(window.room(isUrgent: true) == 0)
    for _ in 0..<2 { gate.endFirst() }
  }

  private func add(_ inputs: [Int], to window: ResultWindow<Int, Int>) async throws {
    for input in inputs {
      try #require(await window.mayTake())
      window.add(input)
    }
  }

  private func next(of window: ResultWindow<Int, Int>) async throws -> [Int]? {
    guard var chunk = try await window.next() else { return nil }
    var outputs: [Int] = []
    while let (_, outcome) = chunk.next() { outputs.append(try outcome.get()) }
    return outputs
  }
}

/// Calls that end when they are told to.
private final class Gate: Sendable {
  private struct Call {
    let inputs: [Int]
    let continuation: CheckedContinuation<Void, Never>
  }

  private let underWay = Mutex<[Call]>([])

  func window(size: Int, busy: Int, chunkLimit: @escaping @autoclosure @Sendable () -> Int) -> ResultWindow<Int, Int> {
    ResultWindow(
      .init(size: size, busy: busy, isOrdered: true, chunkLimit: chunkLimit) { inputs in
        await withCheckedContinuation { continuation in
          self.underWay.withLock { $0.append(Call(inputs: inputs, continuation: continuation)) }
        }
        return inputs.map { .success($0) }
      })
  }

  func expectCalls(_ calls: [[Int]]) async throws {
    try await eventually("\(calls) are under way") { underWay.withLock { $0.map(\.inputs) } == calls }
  }

  func endFirst() {
    let call = underWay.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    call?.continuation.resume()
  }
}
