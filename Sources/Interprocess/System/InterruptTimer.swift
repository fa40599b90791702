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
    let previous = unblock(signal)
    defer { restore(previous) }
    let timer = start(for: ci_thread_id(), at: deadline)
    if case .signals = timer { unblock(signalWithoutTimer) }
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

  /// Lets whatever may interrupt reach this thread, which is nobody's but the one's who calls.
  static func unblockAll() {
    unblock(signal)
    unblock(signalWithoutTimer)
  }

  /// - Returns: the signals that were blocked before.
  @discardableResult
  private static func unblock(_ signal: CInt) -> sigset_t {
    var interrupts = sigset_t()
    sigemptyset(&interrupts)
    sigaddset(&interrupts, signal)
    var previous = sigset_t()
    pthread_sigmask(SIG_UNBLOCK, &interrupts, &previous)
    return previous
  }

  private static func restore(_ blocked: sigset_t) {
    var blocked = blocked
    pthread_sigmask(SIG_SETMASK, &blocked, nil)
  }

  /// Signals a thread at the deadline, and every millisecond from then on until the timer is deleted.
  static func start(for thread: pid_t, at deadline: Deadline) -> Handle {
    let timer = deadline.withRemaining { left -> Handle? in
      // A first signal after 0 would mean never.
      let first = left.map { $0.pointee.isZero ? timespec(nanoseconds: 1) : $0.pointee } ?? timespec()
      var timer: timer_t?
      let result = ci_interrupt_timer_start_for(thread, &timer, signal, first, timespec(nanoseconds: 1_000_000))
      return result == 0 ? .timer(Number(timer: timer)) : nil
    }
    // EAGAIN: the user has as many signals waiting, timers among them, as RLIMIT_SIGPENDING allows.
    return timer ?? .signals(RepeatedSignal(signalWithoutTimer, to: thread, from: deadline))
  }

  /// What interrupts a thread, until it is deleted.
  enum Handle: Sendable {
    case timer(Number)
    case signals(RepeatedSignal)

    func delete() {
      switch self {
      case .timer(let number): timer_delete(number.timer)
      case .signals(let signals): signals.stop()
      }
    }
  }

  /// A timer that runs. glibc numbers timers from 0, which Swift sees as `nil`: hence not `timer_t` itself.
  struct Number: @unchecked Sendable {
    // Sendable: a number by which any thread may delete the timer.
    fileprivate let timer: timer_t?
  }

  /// The signal that interrupts: the highest real-time one that the program has left alone, given a handler that does
  /// nothing; any handler would do. One that is blocked is not left alone: `sigwait` and signalfd get those.
  private static let signal = firstUnused(of: (CInt(0)..<16).map { ci_sigrtmax() - $0 })

  /// What interrupts where there is no timer to be had. A real-time signal counts towards RLIMIT_SIGPENDING and would be
  /// refused as well; of the others these mean nothing to a program that has no handler for them.
  private static let signalWithoutTimer = firstUnused(of: [SIGURG, SIGWINCH])

  private static func firstUnused(of signals: [CInt]) -> CInt {
    let blocked = blockedByProgram
    let untouched = signals.filter { ci_sigaction_is_default($0) }
    let free = untouched.first { blocked & (1 << UInt64($0 - 1)) == 0 } ?? untouched.first ?? signals[0]
    if ci_sigaction_is_default(free) { _ = ci_sigaction_handler(free, { _ in }, nil) }
    return free
  }
}

/// The signals that the program's first thread blocks, a bit each: this one may be the runtime's or this package's, which
/// block nearly all. None where that is not known.
private var blockedByProgram: UInt64 {
  guard let file = try? FileDescriptor.open("/proc/self/status", .readOnly, options: .closeOnExec) else { return 0 }
  defer { try? file.close() }
  let status = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
    count = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
  }
  let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
  guard let line = lines.first(where: { $0.hasPrefix("SigBlk:") }) else { return 0 }
  return UInt64(line.drop { $0 != "\t" }.dropFirst(), radix: 16) ?? 0
}

extension timespec {
  fileprivate var isZero: Bool { tv_sec == 0 && tv_nsec == 0 }
}
