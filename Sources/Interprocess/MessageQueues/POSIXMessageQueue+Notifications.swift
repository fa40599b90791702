import CInterprocess
import Glibc
import Synchronization
import SystemPackage

extension POSIXMessageQueue {
  /// How the kernel tells that a message has come into an empty queue.
  public enum NotificationForm: Hashable, Sendable {
    /// By a thread that the C library starts (`SIGEV_THREAD`).
    case thread

    /// By a signal (`SIGEV_SIGNAL`), for which a handler is installed; choose one that the program does not use, such as
    /// a real-time signal.
    case signal(CInt)
  }

  /// A sequence with an element whenever there are messages to receive: at once if there are, and otherwise when one
  /// arrives in the empty queue.
  ///
  /// ```swift
  /// for try await _ in try queue.notifications() {
  ///   while let message = try queue.tryReceive() { handle(message) }
  /// }
  /// ```
  ///
  /// The corresponding C function is `mq_notify`. One process at a time may be registered for a queue; another one gets
  /// `Errno.resourceBusy`. The sequence registers when it is asked for the next element, and not before: what arrives
  /// while the program handles a message is not missed, since it is looked for first. A process that waits in `receive`
  /// without a timeout gets the message and there is no notification; those with a timeout and tasks wait by `poll`, and
  /// then there are both.
  ///
  /// The kernel ends a process's registration when the process closes any descriptor of the queue (`mq_close(3)`), as
  /// another value of this type and each async `send` or `receive` that waited do. The sequence goes on all the same: it
  /// looks at the queue too. Another process may register from then on, until the next element is asked for.
  ///
  /// - Throws: `Errno.badFileDescriptor` when the queue is closed.
  public func notifications(by form: NotificationForm = .thread) throws(InterprocessError) -> Notifications {
    let copy = try systemCall("fcntl", quotedName) { fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, 0) }
    let registration = try Registration(queue: OwnedDescriptor(adopting: copy), name: name, form: form)
    return Notifications(registration: registration)
  }

  /// See ``notifications(by:)``.
  public struct Notifications: AsyncSequence, AsyncIteratorProtocol, Sendable {
    fileprivate let registration: Registration

    public func makeAsyncIterator() -> Notifications { self }

    /// Waits until there are messages.
    ///
    /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled.
    public func next() async throws -> Void? {
      try await registration.next()
    }
  }

  /// An open queue, and the eventfd that its notification writes to.
  fileprivate final class Registration: Sendable {
    private let queue: OwnedDescriptor
    private let name: String
    private let form: NotificationForm
    private let bell: CInt
    /// An epoll of the bell and of the queue itself. The kernel drops a process's registration whenever the process
    /// closes any descriptor of the queue, and says nothing: what comes then makes the queue readable all the same.
    private let arrivals: OwnedDescriptor
    /// Whether the kernel was last asked to notify, and not to stop: removing takes away another sequence's registration
    /// just as well, since it is the process's.
    private let isRegistered = Atomic(false)

    /// A notification may be on its way when nobody wants it any more, and would write to whatever had got the number of
    /// a closed eventfd: so they are kept, and used again.
    private static let spareBells = Mutex<[CInt]>([])

    init(queue: consuming OwnedDescriptor, name: String, form: NotificationForm) throws(InterprocessError) {
      if case .signal(let number) = form {
        try systemCall("sigaction", "signal \(number)") { ci_notify_handle_signal(number) }
      }
      let epoll = OwnedDescriptor(adopting: try systemCall("epoll_create1", nil) { ci_epoll_create() })
      try systemCall("epoll_ctl", "\"\(name)\"") { ci_epoll_add(epoll.rawValue, queue.rawValue, false, 0) }
      let spare = Self.spareBells.withLock { $0.popLast() }
      let bell =
        if let spare { spare } else { try systemCall("eventfd", nil) { ci_eventfd(0, ci_eventfd_nonblocking_flags()) } }
      do {
        try systemCall("epoll_ctl", "eventfd \(bell)") { ci_epoll_add(epoll.rawValue, bell, false, 1) }
      } catch {
        Self.spareBells.withLock { $0.append(bell) }
        throw error
      }
      self.queue = queue
      self.name = name
      self.form = form
      self.bell = bell
      arrivals = epoll
    }

    deinit {
      unregister()
      let bell = bell
      ci_epoll_remove(arrivals.rawValue, bell)
      Self.spareBells.withLock { $0.append(bell) }
    }

    func next() async throws -> Void? {
      while true {
        try Task.checkCancellation()
        var count: UInt64 = 0
        _ = read(bell, &count, 8)
        // A late ring of an earlier registration may have woken this one, which is in force still.
        unregister()
        try register()
        // Looked for after registering: a message in between is either seen here or rings.
        if try hasMessages() { return unregister() }
        do {
          try await Reactor.shared().wait(for: arrivals.rawValue, .readable, by: .never)
        } catch {
          unregister()
          throw error
        }
        if try hasMessages() { return unregister() }
      }
    }

    private func unregister() {
      if isRegistered.exchange(false, ordering: .relaxed) { _ = ci_mq_notify_none(queue.rawValue) }
    }

    private func register() throws(InterprocessError) {
      func remedy(_ reason: Errno) -> String? {
        reason == .resourceBusy ? "another process, or another sequence, is registered for this queue" : nil
      }
      try systemCall("mq_notify", "\"\(name)\"", remedy: remedy) {
        switch form {
        case .thread: ci_mq_notify_thread(queue.rawValue, bell)
        case .signal(let number): ci_mq_notify_signal(queue.rawValue, number, bell)
        }
      }
      isRegistered.store(true, ordering: .relaxed)
    }

    private func hasMessages() throws(InterprocessError) -> Bool {
      var attributes = mq_attr()
      try systemCall("mq_getattr", "\"\(name)\"") { mq_getattr(queue.rawValue, &attributes) }
      return attributes.mq_curmsgs > 0
    }
  }
}
