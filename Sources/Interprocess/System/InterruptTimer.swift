import CInterprocess
import Glibc
import SystemPackage

/// Ends system calls that have neither a timeout nor a descriptor to poll, `msgsnd` and `msgrcv`, when a deadline
/// passes: a timer sends the waiting thread a signal, which makes them return EINTR.
///
/// The kernel decides between the message and the signal, so no message is lost; and the timer repeats, since its first
/// signal may come just before the call.
enum InterruptTimer {
  /// Calls `body`, which may block this thread, until it has an answer or the deadline has passed.
  ///
  /// - Returns: what `body` returned; `Errno.timedOut` when the deadline passed first.
  @inline(never)
  static func call(until deadline: Deadline, _ body: () -> Int) -> Result<Int, Errno> {
    let previous = unblock()
    defer { restore(previous) }
    guard let timer = start(for: ci_thread_id(), at: deadline) else { return .failure(.current) }
    defer { timer.delete() }
    while true {
      let result = body()
      if result != -1 { return .success(result) }
      let reason = Errno.current
      if reason != .interrupted { return .failure(reason) }
      if deadline.hasPassed { return .failure(.timedOut) }
    }
  }

  /// Calls `body` until it has an answer, with a timer only where there is a deadline.
  @inline(__always)
  static func call(unlessNever deadline: Deadline, _ body: () -> Int) -> Result<Int, Errno> {
    deadline.isNever ? valueOrErrno(body) : call(until: deadline, body)
  }

  /// Lets the signal reach this thread.
  ///
  /// - Returns: the signals that were blocked before.
  @discardableResult
  static func unblock() -> sigset_t {
    var interrupt = sigset_t()
    sigemptyset(&interrupt)
    sigaddset(&interrupt, signal)
    var previous = sigset_t()
    pthread_sigmask(SIG_UNBLOCK, &interrupt, &previous)
    return previous
  }

  private static func restore(_ blocked: sigset_t) {
    var blocked = blocked
    pthread_sigmask(SIG_SETMASK, &blocked, nil)
  }

  /// Signals a thread at the deadline, and every millisecond from then on until the timer is deleted.
  static func start(for thread: pid_t, at deadline: Deadline) -> Handle? {
    deadline.withRemaining { left in
      // A first signal after 0 would mean never.
      let first = left.map { $0.pointee.isZero ? timespec(nanoseconds: 1) : $0.pointee } ?? timespec()
      var timer: timer_t?
      let result = ci_interrupt_timer_start_for(thread, &timer, signal, first, timespec(nanoseconds: 1_000_000))
      return result == 0 ? Handle(timer: timer) : nil
    }
  }

  /// A timer that runs. glibc numbers timers from 0, which Swift sees as `nil`: hence not `timer_t` itself.
  struct Handle: @unchecked Sendable {
    // Sendable: a number by which any thread may delete the timer.
    fileprivate let timer: timer_t?

    func delete() { timer_delete(timer) }
  }

  /// The signal that interrupts: the highest real-time one that the program has left alone, given a handler that does
  /// nothing; any handler would do.
  private static let signal: CInt = {
    let highest = ci_sigrtmax()
    let free = (0..<16).lazy.map { highest - $0 }.first { ci_sigaction_is_default($0) } ?? highest
    if ci_sigaction_is_default(free) { _ = ci_sigaction_handler(free, { _ in }, nil) }
    return free
  }()
}

extension timespec {
  fileprivate var isZero: Bool { tv_sec == 0 && tv_nsec == 0 }
}
