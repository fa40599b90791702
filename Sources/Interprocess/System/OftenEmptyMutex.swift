package import Synchronization

/// What can be empty.
package protocol Emptiable: ~Copyable {
  var isEmpty: Bool { get }
}

/// A lock around a state that is empty, mostly: whoever asks for nothing but that is spared the lock.
package struct OftenEmptyMutex<State: Emptiable & ~Copyable>: ~Copyable, Sendable {
  private let state: Mutex<State>
  @usableFromInline let isFilled = Atomic(false)

  /// - Parameter state: an empty one.
  package init(_ state: consuming sending State) { self.state = Mutex(state) }

  /// Relaxed: of what another thread does just now it knows or does not know.
  @inlinable package var isEmpty: Bool { !isFilled.load(ordering: .relaxed) }

  package borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending State) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try state.withLock { state throws(Failure) in
      defer { isFilled.store(!state.isEmpty, ordering: .relaxed) }
      return try body(&state)
    }
  }
}
