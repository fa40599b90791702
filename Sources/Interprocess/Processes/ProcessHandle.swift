import CInterprocess
import Glibc
import SystemPackage

/// A process, held so that its id can never be mistaken for another's: signals go to this process or to nobody.
///
/// A process id is anybody's again once its process has been reaped; a handle stays with the one it was opened for. Any
/// process can be held, not only children; of a child the handle also says how it ended.
///
/// ```swift
/// let server = try ProcessHandle(of: id)
/// try server.signal(SIGTERM)
/// try server.wait(timeout: .seconds(5))
/// ```
public struct ProcessHandle: ~Copyable, Sendable {
  /// The pidfd; it is readable once the process has ended.
  public private(set) var descriptor: OwnedDescriptor

  /// Opens a handle on a process.
  ///
  /// The id has to be that process's at the moment of the call: a parent knows it is until it has reaped its child.
  ///
  /// The corresponding C function is `pidfd_open`.
  ///
  /// - Throws: `Errno.noSuchProcess` when there is none; `Errno.invalidArgument` when `id` is not above 0.
  public init(of id: CInt) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      reason == .noSuchProcess ? "it has ended, and been reaped" : nil
    }
    descriptor = OwnedDescriptor(
      adopting: try systemCall("pidfd_open", "process \(id)", remedy: remedy) { ci_pidfd_open(id, 0) })
  }

  /// Takes over a pidfd that came from elsewhere, with a message for instance.
  public init(adopting descriptor: consuming OwnedDescriptor) {
    self.descriptor = descriptor
  }

  /// Sends the process a signal; 0 sends none, and only checks that one could.
  ///
  /// The corresponding C function is `pidfd_send_signal`.
  ///
  /// - Throws: `Errno.noSuchProcess` when it has ended and been reaped; `Errno.notPermitted` when it is another user's;
  ///   `Errno.invalidArgument` when there is no such signal.
  public func signal(_ signal: CInt) throws(InterprocessError) {
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .noSuchProcess: "it has ended, and been reaped"
      case .notPermitted: "the process is another user's"
      case .invalidArgument: "there is no signal \(signal)"
      default: nil
      }
    }
    try systemCall("pidfd_send_signal", described, remedy: remedy) {
      ci_pidfd_send_signal(descriptor.rawValue, signal)
    }
  }

  /// Whether the process has ended, reaped or not.
  ///
  /// The corresponding C function is `poll`.
  public func hasEnded() throws(InterprocessError) -> Bool {
    try descriptor.wait(until: .readable, by: Deadline(.zero))
  }

  /// Waits until the process has ended. It need not be a child, and a child is not reaped.
  ///
  /// The corresponding C function is `poll`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.timedOut` when it runs on.
  public func wait(timeout: Duration? = nil) throws(InterprocessError) {
    try waitUntilReady(descriptor.fileDescriptor, .readable, by: Deadline(timeout), for: "pidfd poll")
  }

  /// Suspends the task until the process has ended.
  ///
  /// The corresponding C function is `epoll_wait`.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`.
  public nonisolated(nonsending) func wait(timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    if try hasEnded() { return }
    try await becomeReady(descriptor.fileDescriptor, .readable, by: Deadline(timeout), for: "pidfd poll")
  }

  /// Reaps the process, which has to be a child of this one, if it has ended.
  ///
  /// The corresponding C function is `waitid` with `P_PIDFD`.
  ///
  /// - Returns: how it ended; `nil` when it has not.
  /// - Throws: `Errno.noChildProcess` when it is no child of this process, or has been reaped.
  public func tryReap() throws(InterprocessError) -> ProcessEnding? {
    func remedy(_ reason: Errno) -> String? {
      reason == .noChildProcess ? "only its parent learns how a process ended, and only once" : nil
    }
    var (code, status): (CInt, CInt) = (0, 0)
    let id = try systemCall("waitid", described, remedy: remedy) {
      ci_waitid_pidfd(descriptor.rawValue, CInt(WEXITED) | WNOHANG, &code, &status)
    }
    return id == 0 ? nil : ProcessEnding(childCode: code, status: status)
  }

  /// Waits until the process, which has to be a child of this one, has ended, and reaps it.
  ///
  /// The corresponding C functions are `poll` and `waitid` with `P_PIDFD`.
  ///
  /// - Parameter timeout: how long to wait; `nil` waits for ever.
  /// - Throws: `Errno.noChildProcess` when it is no child of this process, or has been reaped; `Errno.timedOut`.
  public func reap(timeout: Duration? = nil) throws(InterprocessError) -> ProcessEnding {
    let deadline = Deadline(timeout)
    while true {
      if let ending = try tryReap() { return ending }
      try waitUntilReady(descriptor.fileDescriptor, .readable, by: deadline, for: "waitid")
    }
  }

  /// Suspends the task until the child has ended, and reaps it. See ``reap(timeout:)``.
  ///
  /// - Throws: ``InterprocessError`` as the blocking form does; `CancellationError`, and then it is not reaped.
  public nonisolated(nonsending) func reap(timeout: Duration? = nil) async throws -> ProcessEnding {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    while true {
      if let ending = try tryReap() { return ending }
      try await becomeReady(descriptor.fileDescriptor, .readable, by: deadline, for: "waitid")
    }
  }

  private var described: String { "pidfd \(descriptor.rawValue)" }
}
