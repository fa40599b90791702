import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// Waits for descriptors on behalf of suspended tasks: one thread and one epoll for the whole process, started by the
/// first task that waits.
///
/// Each wait registers a duplicate of its descriptor, once. So any number of tasks may wait for the same one, and
/// closing it meanwhile cannot make the wait report on a descriptor that got its number.
package final class Reactor: Sendable {
  /// What a wait came to: ready, or why not.
  package typealias Outcome = Result<Void, any Error>

  /// Has Swift make the type of its table, which takes as long as a hundred calls, in a process that forks others.
  package static func prepareTypes() {
    var waiters: [UInt64: Waiter] = [:]
    waiters[0] = Waiter(handler: { _ in }, descriptor: nil, deadline: .never)
  }

  private struct Waiter {
    let handler: @Sendable (Outcome) -> Void
    /// `nil` where there is only a deadline to wait for.
    let descriptor: CInt?
    let deadline: Deadline
  }

  private struct State {
    var waiters: [UInt64: Waiter] = [:]
    /// Cancelled before they had registered.
    var cancelled: Set<UInt64> = []
    var lastID: UInt64 = 0
  }

  private static let instance = Mutex<Reactor?>(nil)

  /// The process's reactor. One that could not be started is tried again by the next who asks.
  package static func shared() throws(InterprocessError) -> Reactor {
    try instance.withLock { instance throws(InterprocessError) in
      if let instance { return instance }
      let started = try Reactor()
      instance = started
      return started
    }
  }

  private let epoll: OwnedDescriptor
  /// Rung when a deadline comes that is earlier than the one the thread waits for; its id is 0.
  private let bell: OwnedDescriptor
  private let state = Mutex(State())

  private init() throws(InterprocessError) {
    epoll = OwnedDescriptor(adopting: try systemCall("epoll_create1", nil) { ci_epoll_create() })
    bell = OwnedDescriptor(adopting: try systemCall("eventfd", nil) { ci_eventfd(0, ci_eventfd_nonblocking_flags()) })
    try systemCall("epoll_ctl", "eventfd \(bell.rawValue)", remedy: watchRemedy) {
      ci_epoll_add(epoll.rawValue, bell.rawValue, false, 0)
    }
    let argument = Unmanaged.passRetained(self)
    do {
      try systemCall("pthread_create", nil, remedy: threadRemedy) {
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
    let id = newID()
    defer { _ = state.withLock { $0.cancelled.remove(id) } }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        register(id, descriptor, readiness, deadline) { continuation.resume(with: $0) }
      }
    } onCancel: {
      cancel(id)
    }
  }

  /// Calls `handler` once, on the reactor's thread or, when the descriptor cannot be waited for, on this one: when the
  /// descriptor is ready, or with `Errno.timedOut` when the deadline has passed, or with `CancellationError` after
  /// ``unwatch(_:)``.
  ///
  /// - Parameter descriptor: `nil` to wait for the deadline alone.
  /// - Returns: what ``unwatch(_:)`` is to be given.
  @discardableResult
  package func watch(
    _ descriptor: CInt?, _ readiness: Readiness = .readable, by deadline: Deadline = .never,
    _ handler: @escaping @Sendable (Outcome) -> Void
  ) -> UInt64 {
    let id = newID()
    register(id, descriptor, readiness, deadline, handler)
    return id
  }

  private func newID() -> UInt64 {
    state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
  }

  private func register(
    _ id: UInt64, _ descriptor: CInt?, _ readiness: Readiness, _ deadline: Deadline,
    _ handler: @escaping @Sendable (Outcome) -> Void
  ) {
    do {
      let copy = try descriptor.map { descriptor throws(InterprocessError) in
        try systemCall("fcntl", "descriptor \(descriptor)") { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
      }
      let waiter = Waiter(handler: handler, descriptor: copy, deadline: deadline)
      switch enlist(waiter, id, readiness) {
      case .waiting: if copy == nil || !deadline.isNever { ring() }
      case .cancelled: end(waiter, with: .failure(CancellationError()))
      // Plain files cannot be waited for: they are always ready.
      case .refused(.notPermitted): end(waiter, with: .success(()))
      case .refused(let reason):
        let object = descriptor.map { "descriptor \($0)" }
        let error = InterprocessError(
          call: "epoll_ctl", object: object, errno: reason, remedy: watchRemedy(reason) ?? generalRemedy(for: reason))
        end(waiter, with: .failure(error))
      }
    } catch {
      handler(.failure(error))
    }
  }

  private enum Enlisting {
    case waiting
    case cancelled
    case refused(Errno)
  }

  /// The kernel is told under the lock: whoever ends the wait, at once perhaps, closes the duplicate, and its number may
  /// be somebody else's then.
  private func enlist(_ waiter: Waiter, _ id: UInt64, _ readiness: Readiness) -> Enlisting {
    state.withLock { state in
      if state.cancelled.contains(id) { return .cancelled }
      if let descriptor = waiter.descriptor,
        ci_epoll_add(epoll.rawValue, descriptor, readiness == .writable, id) == -1
      {
        return .refused(.current)
      }
      state.waiters[id] = waiter
      return .waiting
    }
  }

  /// Ends what ``watch(_:_:by:_:)`` began, if it has not ended: its handler gets `CancellationError`.
  package func unwatch(_ id: UInt64) { finish(id, with: .failure(CancellationError())) }

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

  private func finish(_ id: UInt64, with result: Outcome) {
    guard let waiter = state.withLock({ $0.waiters.removeValue(forKey: id) }) else { return }
    end(waiter, with: result)
  }

  private func end(_ waiter: Waiter, with result: Outcome) {
    if let descriptor = waiter.descriptor {
      // Closing would not take it out of the epoll: what it is a duplicate of is still open.
      ci_epoll_remove(epoll.rawValue, descriptor)
      close(descriptor)
    }
    waiter.handler(result)
  }

  private func ring() {
    var one: UInt64 = 1
    _ = write(bell.rawValue, &one, 8)
  }

  private func run() {
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

private func watchRemedy(_ reason: Errno) -> String? {
  reason == .noSpace
    ? "this user waits for \(KernelParameter("fs.epoll.max_user_watches").described) descriptors; raise it with sysctl"
    : nil
}
