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
      return waitOnThread(until: deadline)
    }
    let watch = reactor.watch(nil, by: deadline) { _ in self.send() }
    // When it has come already this names a wait that is over, which does no harm.
    state.withLock { $0.watch = watch }
  }

  /// Where there is no descriptor left for the reactor. Without a thread either, the call that waits is interrupted at
  /// once, once, which is too early mostly.
  private func waitOnThread(until deadline: Deadline) {
    let argument = Unmanaged.passRetained(Waiting(signals: self, deadline: deadline))
    let result = ci_start_thread(
      { argument in
        guard let waiting = argument.map({ Unmanaged<Waiting>.fromOpaque($0).takeRetainedValue() }) else { return nil }
        while !waiting.deadline.hasPassed, !waiting.signals.isStopped { usleep(10_000) }
        while waiting.signals.sendOnce() { usleep(1000) }
        return nil
      }, argument.toOpaque())
    if result != 0 {
      argument.release()
      _ = sendOnce()
    }
  }

  private var isStopped: Bool { state.withLock { $0.isStopped } }

  private final class Waiting: Sendable {
    let signals: RepeatedSignal
    let deadline: Deadline
    init(signals: RepeatedSignal, deadline: Deadline) { (self.signals, self.deadline) = (signals, deadline) }
  }
}
