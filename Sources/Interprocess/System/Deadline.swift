import CInterprocess
import Glibc

/// The moment at which a call with a timeout gives up, on `CLOCK_MONOTONIC`, so that setting the machine's clock moves
/// no deadline.
package struct Deadline: Sendable {
  /// Nanoseconds of `CLOCK_MONOTONIC`; `nil` waits for ever.
  private let nanoseconds: Int64?

  package static var never: Deadline { Deadline(nil) }

  /// One that has passed already: for looking without waiting.
  static var passed: Deadline { Deadline(at: .min) }

  private init(at nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Inlined, as most calls have no timeout, and every function that is called after a system call costs.
  @inline(__always)
  package init(_ timeout: Duration?) {
    nanoseconds = timeout.flatMap(Self.instant)
  }

  /// - Returns: `nil` when it lies past the end of time.
  private static func instant(after timeout: Duration) -> Int64? {
    let (sum, overflow) = now().addingReportingOverflow(timeout.saturatingNanoseconds)
    return overflow ? nil : sum
  }

  /// Whichever comes first.
  func earlier(of other: Deadline) -> Deadline {
    guard let mine = nanoseconds, let theirs = other.nanoseconds else { return isNever ? other : self }
    return mine <= theirs ? self : other
  }

  var isNever: Bool { nanoseconds == nil }

  var hasPassed: Bool { remainingNanoseconds == 0 }

  /// How long is left: 0 once the deadline has passed, `nil` where there is none.
  private var remainingNanoseconds: Int64? {
    nanoseconds.map { $0 == .min ? 0 : max(0, $0 - Self.now()) }
  }

  /// How long is left, as a timeout for another call; `nil` where there is no deadline.
  var remaining: Duration? { remainingNanoseconds.map { .nanoseconds($0) } }

  /// For `poll`: milliseconds, rounded up so that no wait ends early and spins; -1 waits for ever.
  var pollMilliseconds: CInt {
    guard let left = remainingNanoseconds else { return -1 }
    let milliseconds = left / 1_000_000 + (left % 1_000_000 == 0 ? 0 : 1)
    return CInt(clamping: milliseconds)
  }

  /// Hands `body` the time that is left, or `nil` where there is no deadline.
  @inline(__always)
  func withRemaining<Result>(_ body: (UnsafePointer<timespec>?) -> Result) -> Result {
    guard let left = remainingNanoseconds else { return body(nil) }
    var time = timespec(nanoseconds: left)
    return body(&time)
  }

  /// Hands `body` the deadline itself, on `CLOCK_MONOTONIC`, or `nil` where there is none.
  func withInstant<Result>(_ body: (UnsafePointer<timespec>?) -> Result) -> Result {
    guard let nanoseconds else { return body(nil) }
    var time = timespec(nanoseconds: max(0, nanoseconds))
    return body(&time)
  }

  private static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

extension timespec {
  init(nanoseconds: Int64) {
    self.init(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  }
}

extension Duration {
  package var saturatingNanoseconds: Int64 {
    if self <= .zero { return 0 }
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return .max }
    let (sum, overflowed) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflowed ? .max : sum
  }
}
