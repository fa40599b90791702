public import Synchronization

/// What can be empty.
@usableFromInline
package protocol Emptiable: ~Copyable {
  var isEmpty: Bool { get }
}

/// Beside a lock around a state that is empty, mostly: whoever asks for nothing but that is spared the lock. Each change of
/// the state goes through `withLock(marking:)`; what comes by another way is not seen.
///
/// Not one type with the lock: as a generic one with a requirement each worker process would have to make it anew, for as
/// long as some ten calls take.
@usableFromInline
package struct FillMark: ~Copyable, Sendable {
  @usableFromInline let isFilled = Atomic(false)

  @inlinable package init() {}

  /// Relaxed: of what another thread does just now it knows or does not know.
  @inlinable package var isEmpty: Bool { !isFilled.load(ordering: .relaxed) }

  /// With the lock held.
  @inlinable package func note(isEmpty: Bool) { isFilled.store(!isEmpty, ordering: .relaxed) }
}

extension Mutex where Value: Emptiable & ~Copyable {
  /// Runs `body` with the lock held, and has the mark say what it leaves there.
  @inlinable
  package borrowing func withLock<Result: ~Copyable, Failure: Error>(
    marking mark: borrowing FillMark, _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try withLock { state throws(Failure) in
      defer { mark.note(isEmpty: state.isEmpty) }
      return try body(&state)
    }
  }
}
