import Interprocess
import Synchronization
import SystemPackage

/// The pool's end of the socket by which it reaches a worker beside its channel. Nobody waits: what there is no room for
/// is sent, in order, as soon as there is.
final class ControlLine: Sendable {
  private struct Outgoing {
    let word: ControlWord
    /// Goes along.
    let descriptor: FileDescriptor?
    /// Keeps it open.
    let owner: (any Sendable)?
  }

  private static let mostWaiting = 1 << 14

  private struct State: ~Copyable {
    var socket: UnixSocket?
    var outbox: [Outgoing] = []
    /// What the reactor is to be given when nobody waits for room any more.
    var watch: UInt64?
  }

  private let state: Mutex<State>
  /// Relaxed: behind the lock, or as good as.
  private let couldNotWatch = Atomic(false)

  init(_ socket: consuming UnixSocket) {
    state = Mutex(State(socket: socket))
  }

  /// - Parameters:
  ///   - descriptor: goes along.
  ///   - owner: keeps it open.
  /// - Returns: whether it was sent, or will be; not when the worker is gone, or may be sent no more descriptors.
  @discardableResult
  func send(_ word: ControlWord, _ descriptor: FileDescriptor? = nil, of owner: (any Sendable)? = nil) -> Bool {
    state.withLock { state in
      // Of a worker that never reads nothing is expected any more.
      if state.outbox.count >= Self.mostWaiting { return false }
      let isFirst = state.outbox.isEmpty || couldNotWatch.exchange(false, ordering: .relaxed)
      state.outbox.append(Outgoing(word: word, descriptor: descriptor, owner: owner))
      return isFirst ? flush(&state) : true
    }
  }

  /// - Returns: whether what is left waits for room only.
  private func flush(_ state: inout State) -> Bool {
    var isWell = state.socket != nil
    while let next = state.outbox.first {
      do throws(InterprocessError) {
        try state.socket?.write(
          next.word.bytes, passing: next.descriptor.map { [$0] } ?? [], timeout: .zero)
      } catch {
        if error.isTimeout {
          awaitRoom(&state)
          return isWell
        }
        // This user has too many descriptors on their way, to whomever: in a moment there is room again.
        if error.errno == .tooManyReferences {
          tryAgain(&state)
          return isWell
        }
        isWell = false
      }
      state.outbox.removeFirst()
    }
    return isWell
  }

  private func tryAgain(_ state: inout State) {
    guard let reactor = try? Reactor.shared() else { return }
    state.watch = reactor.watch(nil, by: Deadline(.milliseconds(5))) { [weak self] outcome in
      guard case .failure(let error as InterprocessError) = outcome, error.isTimeout else { return }
      self?.state.withLock { state in _ = self?.flush(&state) }
    }
  }

  private func awaitRoom(_ state: inout State) {
    guard let descriptor = state.socket?.fileDescriptor.rawValue, let reactor = try? Reactor.shared() else { return }
    state.watch = reactor.watch(descriptor, .writable) { [weak self] outcome in
      // Failures are told at once, with the lock held; the next word tries again.
      guard case .success = outcome else { return self?.couldNotWatch.store(true, ordering: .relaxed) ?? () }
      self?.state.withLock { state in _ = self?.flush(&state) }
    }
  }

  /// Reads what the worker has sent; `nil` when there is nothing.
  ///
  /// - Throws: `Errno.tooManyOpenFiles`, when something came and there was no room for its descriptor.
  func tryRead(receiving received: inout ReceivedDescriptors) throws(InterprocessError) -> [UInt8]? {
    try state.withLock { state throws(InterprocessError) -> [UInt8]? in
      do throws(InterprocessError) {
        return try state.socket?.tryRead(upTo: 1024, receiving: &received)
      } catch {
        if error.errno == .tooManyOpenFiles { throw error }
        return nil
      }
    }
  }

  /// The worker is gone.
  func close() {
    let watch = state.withLock { state in
      try? state.socket?.close()
      state.socket = nil
      state.outbox = []
      return state.watch.take()
    }
    if let watch { (try? Reactor.shared())?.unwatch(watch) }
  }
}
