import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// How a channel over a mechanism that says nothing of the kind (queues, shared memory) knows that its peer has gone:
/// beside the channel lies a pair of sockets, an end on each side. A side says with a byte that it sends nothing more,
/// and with a second one that it receives nothing more either; the kernel closes the end of one that dies.
///
/// A copy of the peer's end that a third process has inherited hides the death. Whoever knows of it otherwise says so by
/// ``peerDied()``.
final class PeerLife: Sendable {
  enum State: UInt8, AtomicRepresentable {
    case lives
    case closed
    case died
  }

  private struct Watching: ~Copyable {
    var socket: OwnedDescriptor
    var id: UInt64?
    /// Nobody shall be told any more.
    var isOver = false
    /// Bytes that have come.
    var said = 0
    /// What is to be done once the peer has gone, though nobody uses this side any more.
    var afterwards: (@Sendable () -> Void)?
  }

  private let current = Atomic(State.lives)
  private let hasGone = Atomic(false)
  private let watching: Mutex<Watching>

  init(_ socket: consuming OwnedDescriptor) {
    watching = Mutex(Watching(socket: socket))
  }

  deinit { stopWatching() }

  /// Whether the peer still sends. What it sent before can still be received.
  var state: State {
    // Acquiring: pairs with the release in end(_:). Everything the peer sent is there once it is known to be gone.
    current.load(ordering: .acquiring)
  }

  /// Whether the peer still receives: it may, for a while, though it sends nothing more.
  var receiverState: State {
    // Acquiring: pairs with the release in go(_:), before which the state was set.
    hasGone.load(ordering: .acquiring) ? state : .lives
  }

  /// Calls `handler` on another thread when the peer sends nothing more, and again when it has gone altogether.
  func startWatching(_ handler: @escaping @Sendable () -> Void) throws(InterprocessError) {
    watch(by: try Reactor.shared(), handler)
  }

  private func watch(by reactor: Reactor, _ handler: @escaping @Sendable () -> Void) {
    guard let copy = copyToWatch() else { return }
    let ready: @Sendable (Reactor.Outcome) -> Void = { [weak self] in self?.told($0, by: reactor, handler) }
    // Not under the lock: where there is no waiting for it, the reactor says so at once. And without a descriptor left for
    // waiting, this looks again in a moment.
    let deadline = copy < 0 ? Self.nextLook : .never
    note(reactor.watch(copy < 0 ? nil : copy, by: deadline, ready), by: reactor)
    if copy >= 0 { Glibc.close(copy) }
  }

  private static var nextLook: Deadline { Deadline(.milliseconds(100)) }

  /// - Returns: -1 when there are no descriptors left; `nil` when nobody is to be told any more.
  private func copyToWatch() -> CInt? {
    watching.withLock { watching in
      if watching.isOver || watching.socket.isClosed || hasGone.load(ordering: .acquiring) { return nil }
      return fcntl(watching.socket.rawValue, F_DUPFD_CLOEXEC, 0)
    }
  }

  private func note(_ id: UInt64, by reactor: Reactor) {
    let isOver = watching.withLock { watching in
      // A later one may have been noted already, by the reactor's thread.
      watching.id = max(watching.id ?? 0, id)
      return watching.isOver
    }
    if isOver { reactor.unwatch(id) }
  }

  private func told(_ outcome: Reactor.Outcome, by reactor: Reactor, _ handler: @escaping @Sendable () -> Void) {
    switch outcome {
    case .failure(let error as InterprocessError) where !error.isTimeout:
      // The reactor has no place left for it.
      return note(
        reactor.watch(nil, by: Self.nextLook) { [weak self] in self?.told($0, by: reactor, handler) }, by: reactor)
    case .failure(let error) where !(error is InterprocessError): return
    case .success, .failure: break
    }
    look()
    if state != .lives { handler() }
    watch(by: reactor, handler)
  }

  /// Whether nobody has the other one of a pair of these sockets any more, nor has ever opened it.
  static func hasEnded(_ socket: FileDescriptor) -> Bool {
    var byte: UInt8 = 0
    return recv(socket.rawValue, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_PEEK)) == 0
  }

  /// Whether nobody has the other one in a moment, if somebody has it now: a child that another thread is starting has
  /// copies of all descriptors until it executes its program. Other children keep theirs, and then this takes its time.
  static func endsSoon(_ socket: FileDescriptor) -> Bool {
    var end = pollfd(fd: socket.rawValue, events: 0, revents: 0)
    _ = poll(&end, 1, 250)
    return hasEnded(socket)
  }

  /// Learns whether the peer has gone, without waiting to be told.
  func look() {
    let (isAtEnd, said) = watching.withLock { watching -> (Bool, Int) in
      if watching.socket.isClosed { return (false, watching.said) }
      let number = watching.socket.rawValue
      // Whatever they are, and however many are sent.
      var bytes: UInt64 = 0
      switch valueOrErrno({ recv(number, &bytes, 8, CInt(MSG_DONTWAIT)) }) {
      case .success(0): return (true, watching.said)
      case .success(let count): watching.said = min(2, watching.said + count)
      case .failure(.wouldBlock): break
      case .failure: return (true, watching.said)
      }
      return (false, watching.said)
    }
    if said > 0 { end(.closed) }
    if isAtEnd { end(.died) }
    // Releasing: pairs with the load in receiverState, here and below.
    if isAtEnd || said > 1 { hasGone.store(true, ordering: .releasing) }
  }

  /// Notes that the peer sends nothing more, if nothing was known of that.
  private func end(_ state: State) {
    // Releasing: pairs with the acquire in state.
    _ = current.compareExchange(
      expected: .lives, desired: state, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
  }

  /// Somebody knows that the peer has died.
  func peerDied() {
    look()
    end(.died)
    hasGone.store(true, ordering: .releasing)
  }

  /// Tells the peer that this side sends nothing more.
  func sayGoodbye() { say() }

  private func say() {
    watching.withLock { watching in
      guard !watching.socket.isClosed else { return }
      var byte: UInt8 = 1
      _ = send(watching.socket.rawValue, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
    }
  }

  /// Has `action` called once the peer has gone, as long as this process lives, though this side is closed then.
  func whenPeerHasGone(_ action: @escaping @Sendable () -> Void) {
    watching.withLock { $0.afterwards = action }
  }

  /// From now on this side neither sends nor receives, and the peer is told.
  func close() {
    stopWatching()
    say()
    if let action = watching.withLock({ $0.afterwards.take() }), let reactor = try? Reactor.shared() {
      return waitForEnd(by: reactor, action)
    }
    watching.withLock { try? $0.socket.close() }
  }

  /// The reactor keeps this value, and the socket, until the peer has gone.
  private func waitForEnd(by reactor: Reactor, _ action: @escaping @Sendable () -> Void) {
    look()
    let number = watching.withLock { $0.socket.rawValue }
    if number < 0 || hasGone.load(ordering: .acquiring) {
      action()
      return watching.withLock { try? $0.socket.close() }
    }
    reactor.watch(number) { outcome in
      if case .success = outcome { return self.waitForEnd(by: reactor, action) }
      // There is no descriptor left to wait with, or no place for it.
      reactor.watch(nil, by: Self.nextLook) { _ in self.waitForEnd(by: reactor, action) }
    }
  }

  private func stopWatching() {
    let id = watching.withLock { watching -> UInt64? in
      watching.isOver = true
      return watching.id.take()
    }
    guard let id else { return }
    (try? Reactor.shared())?.unwatch(id)
  }

  /// The error that sending to a peer that receives nothing more meets; `nil` while it does.
  var sendingError: ChannelError? {
    switch receiverState {
    case .lives: nil
    case .closed: ChannelError(.peerClosed, "the other side has closed the channel")
    case .died: .peerDied
    }
  }

}

extension PeerLife {
  /// Checks that a System V queue belongs to the user who made the channel. An id can be anybody's, and a process with
  /// more rights than the one who names it must not use them for it.
  ///
  /// - Throws: ``ChannelError/Code/malformedMessage``.
  func checkMaker(ofQueue id: CInt) throws(ChannelError) {
    var status = msqid_ds()
    switch valueOrErrno({ msgctl(id, IPC_STAT, &status) }) {
    // Removed already: by a side that has closed.
    case .failure(.identifierRemoved), .failure(.invalidArgument): return
    case .failure(let reason):
      throw ChannelError(InterprocessError(call: "msgctl", object: "id \(id)", errno: reason))
    case .success: break
    }
    let maker = try asChannelError { () throws(InterprocessError) in
      try watching.withLock { watching throws(InterprocessError) in try PeerCredentials(of: watching.socket).userID }
    }
    if status.msg_perm.cuid != maker {
      throw ChannelError(
        .malformedMessage,
        "the channel was made by user \(maker), and queue \(id) by user \(status.msg_perm.cuid)")
    }
  }
}
