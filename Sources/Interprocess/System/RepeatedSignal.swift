import CInterprocess
import Glibc
import Synchronization

/// A signal to one thread, sent at a deadline and every millisecond from then on until it is stopped: what a timer does
/// that the kernel refused. The reactor's thread sends it.
final class RepeatedSignal: Sendable {
  private let signal: CInt
  private let thread: pid_t
  private let isStopped = Mutex(false)

  init(_ signal: CInt, to thread: pid_t, from deadline: Deadline) {
    self.signal = signal
    self.thread = thread
    if deadline.hasPassed { send() } else { wait(until: deadline) }
  }

  /// No signal comes any more afterwards: the thread may end, and its number be another's.
  func stop() { isStopped.withLock { $0 = true } }

  private func send() {
    let isSent = isStopped.withLock { isStopped in
      if !isStopped { _ = ci_tgkill(thread, signal) }
      return !isStopped
    }
    if isSent { wait(until: Deadline(.milliseconds(1))) }
  }

  private func wait(until deadline: Deadline) {
    // Without a reactor there is no descriptor left either, and nobody to wait: once, at least, it is sent.
    guard let reactor = try? Reactor.shared() else {
      isStopped.withLock { isStopped in
        if !isStopped { _ = ci_tgkill(thread, signal) }
      }
      return
    }
    reactor.watch(nil, by: deadline) { _ in self.send() }
  }
}
