import CInterprocess
import Glibc
import Synchronization

/// A signal to one thread, sent at a deadline and every millisecond from then on until it is stopped: what a timer does
/// that the kernel refused. The reactor's thread sends it.
final class RepeatedSignal: Sendable {
  private struct State {
    var isStopped = false
    /// The reactor's wait for the next time.
    var watch: UInt64?
  }

  private let signal: CInt
  private let thread: pid_t
  private let state = Mutex(State())

  init(_ signal: CInt, to thread: pid_t, from deadline: Deadline) {
    self.signal = signal
    self.thread = thread
    if deadline.hasPassed { send() } else { wait(until: deadline) }
  }

  /// No signal comes any more afterwards: the thread may end, and its number be another's.
  func stop() {
    let watch = state.withLock { state in
      state.isStopped = true
      return state.watch
    }
    if let watch { try? Reactor.shared().unwatch(watch) }
  }

  private func send() {
    if sendOnce() { wait(until: Deadline(.milliseconds(1))) }
  }

  /// - Returns: whether it was sent, and not stopped before.
  private func sendOnce() -> Bool {
    state.withLock { state in
      if !state.isStopped { _ = ci_tgkill(thread, signal) }
      return !state.isStopped
    }
  }

  private func wait(until deadline: Deadline) {
    guard let reactor = try? Reactor.shared() else {
      // There is nobody to wait, for want of a descriptor or a thread: once, at least, it is sent.
      _ = sendOnce()
      return
    }
    let watch = reactor.watch(nil, by: deadline) { _ in self.send() }
    // When it has come already this names a wait that is over, which does no harm.
    state.withLock { $0.watch = watch }
  }
}
