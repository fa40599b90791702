import Synchronization
public import Testing

extension Trait where Self == QueueRoom {
  /// For what opens POSIX queues: RLIMIT_MSGQUEUE counts all of a user, and with 819,200 bytes, which only the
  /// privileged may raise, there is room for nine full ones. The tests take turns for it.
  ///
  /// - Parameter full: how many queues of the usual size (10 messages of 8 KiB) a test case has at once, at most.
  public static func queues(_ full: Int = 1) -> QueueRoom { QueueRoom(full: full) }
}

/// See ``Testing/Trait/queues(_:)``.
public struct QueueRoom: SuiteTrait, TestTrait, TestScoping {
  /// A queue less than there is room for: some programs under test have small ones besides.
  public static let most = 8

  fileprivate let full: Int

  public var isRecursive: Bool { true }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Turns.shared.take(full)
    defer { Turns.shared.give(full) }
    try await function()
  }
}

/// Whoever comes first is served first, so that those who want much are not passed over for ever.
private final class Turns: Sendable {
  static let shared = Turns()

  private struct State {
    var free = QueueRoom.most
    var waiting: [(wanted: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = Mutex(State())

  func take(_ wanted: Int) async {
    await withCheckedContinuation { continuation in
      state.withLock { $0.waiting.append((wanted, continuation)) }
      serve()
    }
  }

  func give(_ count: Int) {
    state.withLock { $0.free += count }
    serve()
  }

  private func serve() {
    let next = state.withLock { state in
      var next: [CheckedContinuation<Void, Never>] = []
      while let first = state.waiting.first, first.wanted <= state.free {
        state.free -= first.wanted
        next.append(state.waiting.removeFirst().continuation)
      }
      return next
    }
    for continuation in next { continuation.resume() }
  }
}
