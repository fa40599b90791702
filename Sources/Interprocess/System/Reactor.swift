import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Waits for descriptors on behalf of suspended tasks: one thread and one epoll for the whole process, started by the
/// first task that waits.
///
/// Each wait registers a duplicate of its descriptor, once. So any number of tasks may wait for the same one, and
/// closing it meanwhile cannot make the wait report on a descriptor that got its number.
final class Reactor: Sendable {
  private struct Waiter {
    let continuation: CheckedContinuation<Void, any Error>
    let descriptor: CInt
    let deadline: Deadline
  }

  private struct State {
    var waiters: [UInt64: Waiter] = [:]
    /// Cancelled before they had registered.
    var cancelled: Set<UInt64> = []
    var lastID: UInt64 = 0
  }

  private static let instance = Result<Reactor, InterprocessError> { () throws(InterprocessError) in try Reactor() }

  static func shared() throws(InterprocessError) -> Reactor { try instance.get() }

  private let epoll: OwnedDescriptor
  /// Rung when a deadline comes that is earlier than the one the thread waits for; its id is 0.
  private let bell: OwnedDescriptor
  private let state = Mutex(State())

  private init() throws(InterprocessError) {
    epoll = OwnedDescriptor(adopting: try systemCall("epoll_create1", nil) { ci_epoll_create() })
    bell = OwnedDescriptor(adopting: try systemCall("eventfd", nil) { ci_eventfd(0, ci_eventfd_nonblocking_flags()) })
    let argument = Unmanaged.passRetained(self)
    do {
      try systemCall("pthread_create", nil) {
        ci_start_thread(
          { argument in
            argument.map { Unmanaged<Reactor>.fromOpaque($0).takeUnretainedValue().run() }
            return nil
          }, argument.toOpaque())
      }
    } catch {
      argument.release()
      throw error
    }
  }

  /// Suspends until the descriptor is ready.
  ///
  /// - Throws: `CancellationError`; ``InterprocessError``, `Errno.timedOut` among them.
  func wait(for descriptor: CInt, _ readiness: Readiness, by deadline: Deadline) async throws {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    defer { _ = state.withLock { $0.cancelled.remove(id) } }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        register(id, descriptor, readiness, deadline, continuation)
      }
    } onCancel: {
      cancel(id)
    }
  }

  private func register(
    _ id: UInt64, _ descriptor: CInt, _ readiness: Readiness, _ deadline: Deadline,
    _ continuation: CheckedContinuation<Void, any Error>
  ) {
    do {
      let copy = try systemCall("fcntl", "descriptor \(descriptor)") { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
      let waiter = Waiter(continuation: continuation, descriptor: copy, deadline: deadline)
      let isCancelled = state.withLock { state in
        if state.cancelled.contains(id) { return true }
        state.waiters[id] = waiter
        return false
      }
      if isCancelled { return end(waiter, with: .failure(CancellationError())) }
      guard ci_epoll_add(epoll.rawValue, copy, readiness == .writable, id) == 0 else {
        let reason = Errno.current
        // Plain files cannot be waited for: they are always ready.
        let error = InterprocessError(call: "epoll_ctl", object: "descriptor \(descriptor)", errno: reason)
        return finish(id, with: reason == .notPermitted ? .success(()) : .failure(error))
      }
      if !deadline.isNever { ring() }
    } catch {
      continuation.resume(throwing: error)
    }
  }

  private func cancel(_ id: UInt64) {
    let waiter = state.withLock { state in
      guard let waiter = state.waiters.removeValue(forKey: id) else {
        state.cancelled.insert(id)
        return Waiter?.none
      }
      return waiter
    }
    if let waiter { end(waiter, with: .failure(CancellationError())) }
  }

  private func finish(_ id: UInt64, with result: Result<Void, any Error>) {
    guard let waiter = state.withLock({ $0.waiters.removeValue(forKey: id) }) else { return }
    end(waiter, with: result)
  }

  private func end(_ waiter: Waiter, with result: Result<Void, any Error>) {
    // Closing would not take it out of the epoll: what it is a duplicate of is still open.
    ci_epoll_remove(epoll.rawValue, waiter.descriptor)
    close(waiter.descriptor)
    waiter.continuation.resume(with: result)
  }

  private func ring() {
    var one: UInt64 = 1
    _ = write(bell.rawValue, &one, 8)
  }

  private func run() {
    _ = ci_epoll_add(epoll.rawValue, bell.rawValue, false, 0)
    var ids = [UInt64](repeating: 0, count: 64)
    while true {
      let nearest = state.withLock { $0.waiters.values.lazy.map(\.deadline.pollMilliseconds).filter { $0 >= 0 }.min() }
      let count = ci_epoll_wait(epoll.rawValue, &ids, CInt(ids.count), nearest ?? -1)
      for id in ids.prefix(max(0, Int(count))) {
        if id == 0 { silenceBell() } else { finish(id, with: .success(())) }
      }
      if nearest != nil { endThoseWhoseTimeIsUp() }
    }
  }

  private func silenceBell() {
    var value: UInt64 = 0
    _ = read(bell.rawValue, &value, 8)
    _ = ci_epoll_rearm(epoll.rawValue, bell.rawValue, 0)
  }

  private func endThoseWhoseTimeIsUp() {
    let late = state.withLock { $0.waiters.filter { $0.value.deadline.hasPassed }.map(\.key) }
    for id in late { finish(id, with: .failure(InterprocessError(call: "epoll_wait", errno: .timedOut))) }
  }
}
