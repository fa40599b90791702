public import CInterprocess
import Glibc
import SystemPackage

/// What can be done with a `sem_t`, wherever it lies.
///
/// What does not wait is inlined into the program: it takes nanoseconds, and calls of ours would double them.
@usableFromInline
struct SemaphorePointer: @unchecked Sendable {
  // Sendable: sem_t is made for use by several threads at once, and the pointer is never changed.
  @usableFromInline let raw: UnsafeMutablePointer<sem_t>

  init(raw: UnsafeMutablePointer<sem_t>) { self.raw = raw }

  @inlinable @inline(__always)
  func acquire(timeout: Duration?, _ object: @autoclosure () -> String) throws(InterprocessError) {
    if timeout == nil, sem_wait(raw) == 0 { return }
    try acquireOrThrow(timeout, object())
  }

  @usableFromInline
  func acquireOrThrow(_ timeout: Duration?, _ object: @autoclosure () -> String) throws(InterprocessError) {
    let deadline = Deadline(timeout)
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

  @inlinable @inline(__always)
  func release(_ object: @autoclosure () -> String) throws(InterprocessError) {
    if sem_post(raw) == 0 { return }
    try releaseOrThrow(object())
  }

  @usableFromInline
  func releaseOrThrow(_ object: @autoclosure () -> String) throws(InterprocessError) {
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
    timeout: Duration?, _ object: @autoclosure () -> String, _ body: () throws -> Result
  ) throws -> Result {
    try acquire(timeout: timeout, object())
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
