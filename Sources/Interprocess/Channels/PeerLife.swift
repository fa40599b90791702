import CInterprocess
import Glibc
import Synchronization
import SystemPackage

/// How a channel over a mechanism that says nothing of the kind (queues, shared memory) knows that its peer has gone:
/// beside the channel lies a pair of sockets, an end on each side. A side that closes in order sends a byte first; the
/// kernel closes the end of one that dies.
///
/// A copy of the peer's end that a third process has inherited hides the death. Whoever knows of it otherwise says so by
/// ``peerDied()``.
final class PeerLife: Sendable {
  enum State: UInt8, AtomicRepresentable {
    case lives
    case closed
    case died
  }

  private let socket: Mutex<OwnedDescriptor>
  private let current = Atomic(State.lives)
  private let watch = Mutex<UInt64?>(nil)

  init(_ socket: consuming OwnedDescriptor) {
    self.socket = Mutex(socket)
  }

  deinit { stopWatching() }

  /// What is known of the peer. What it sent before it went can still be received.
  var state: State {
    // Acquiring: pairs with the release in end(_:). Everything the peer sent is there once it is known to be gone.
    current.load(ordering: .acquiring)
  }

  /// Calls `handler` on another thread once the peer has gone.
  func startWatching(_ handler: @escaping @Sendable () -> Void) throws(InterprocessError) {
    let descriptor = socket.withLock { $0.rawValue }
    let id = try Reactor.shared().watch(descriptor) { [weak self] outcome in
      guard let self, case .success = outcome else { return }
      self.look()
      handler()
    }
    watch.withLock { $0 = id }
  }

  /// Whether nobody has the other one of a pair of these sockets any more, nor has ever opened it.
  static func hasEnded(_ socket: FileDescriptor) -> Bool {
    var byte: UInt8 = 0
    return recv(socket.rawValue, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_PEEK)) == 0
  }

  /// Learns whether the peer has gone, without waiting to be told.
  func look() {
    var byte: UInt8 = 0
    let count = socket.withLock { socket -> Result<Int, Errno>? in
      let number = socket.rawValue
      return socket.isClosed ? nil : valueOrErrno { recv(number, &byte, 1, CInt(MSG_DONTWAIT)) }
    }
    switch count {
    case .success(1): end(.closed)
    case .failure(.wouldBlock), nil: break
    default: end(.died)
    }
  }

  /// Notes that the peer has gone, if nothing was known of it.
  private func end(_ state: State) {
    // Releasing: pairs with the acquire in state.
    _ = current.compareExchange(
      expected: .lives, desired: state, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
  }

  /// Somebody knows that the peer has died.
  func peerDied() {
    look()
    end(.died)
  }

  /// Tells the peer that this side sends nothing more, and begins to receive nothing more.
  func sayGoodbye() {
    socket.withLock { socket in
      guard !socket.isClosed else { return }
      var byte: UInt8 = 1
      _ = send(socket.rawValue, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
    }
  }

  /// From now on nobody here wants to know.
  func close() {
    stopWatching()
    socket.withLock { try? $0.close() }
  }

  private func stopWatching() {
    guard let id = watch.withLock({ $0.take() }) else { return }
    (try? Reactor.shared())?.unwatch(id)
  }

  /// The error that sending to a peer that has gone meets; `nil` while it lives.
  var sendingError: ChannelError? {
    switch state {
    case .lives: nil
    case .closed: ChannelError(.peerClosed, "the other side has closed the channel")
    case .died: .peerDied
    }
  }
}
