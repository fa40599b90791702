public import CInterprocess
import Glibc
import SystemPackage

/// What can be done with a `sem_t`, wherever it lies.
@usableFromInline
struct SemaphorePointer: @unchecked Sendable {
  // Sendable: sem_t is made for use by several threads at once, and the pointer is never changed.
  @usableFromInline let raw: UnsafeMutablePointer<sem_t>

  // The two are inlined into the program: they take nanoseconds, and calls of ours would double them. _fastPath keeps
  // what only a failure needs out of the program's loops.

  /// Waits for ever.
  ///
  /// - Returns: whether one was taken; where it was not, ``acquire(by:_:)`` says why.
  @inlinable func acquires() -> Bool { _fastPath(sem_wait(raw) == 0) }

  /// - Returns: whether one was added; where it was not, ``release(_:)`` says why.
  @inlinable func releases() -> Bool { _fastPath(sem_post(raw) == 0) }

  func acquire(by deadline: Deadline, _ object: @autoclosure () -> String) throws(InterprocessError) {
    try systemCall("sem_wait", object()) {
      deadline.withInstant { instant in
        guard let instant else { return sem_wait(raw) }
        return ci_sem_clockwait(raw, instant)
      }
    }
  }

  func tryAcquire(_ object: @autoclosure () -> String) throws(InterprocessError) -> Bool {
    switch valueOrErrno({ sem_trywait(raw) }) {
    case .success: return true
    case .failure(.wouldBlock): return false
    case .failure(let reason): throw InterprocessError(call: "sem_trywait", object: object(), errno: reason)
    }
  }

  func release(_ object: @autoclosure () -> String) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      reason == .overflow ? "its value is 2147483647 already; somebody releases what was not acquired" : nil
    }
    try systemCall("sem_post", object(), remedy: remedy) { sem_post(raw) }
  }

  func value(_ object: @autoclosure () -> String) throws(InterprocessError) -> Int {
    var value: CInt = 0
    try systemCall("sem_getvalue", object()) { sem_getvalue(raw, &value) }
    return Int(value)
  }

  func withAcquired<Result: ~Copyable>(
    by deadline: Deadline, _ object: @autoclosure () -> String, _ body: () throws -> Result
  ) throws -> Result {
    try acquire(by: deadline, object())
    let result: Result
    do {
      result = try body()
    } catch {
      try release(object())
      throw error
    }
    try release(object())
    return result
  }
}
