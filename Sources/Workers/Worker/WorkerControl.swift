import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The worker's end of the socket by which its pool reaches it whatever it is doing.
final class WorkerControl: Sendable {
  private struct State {
    /// Of a word that has not come in full.
    var rest: [UInt8] = []
    var onCancel: (@Sendable (UInt64) -> Void)?
    var onDrop: (@Sendable (UInt64) -> Void)?
  }

  private let socket: UnixSocket
  private let state = Mutex(State())

  init(_ socket: consuming UnixSocket) { self.socket = socket }

  /// - Parameters:
  ///   - onCancel: told which call is cancelled.
  ///   - onDrop: told which block of the arena will not be used again.
  /// - Throws: `Errno.badFileDescriptor` in a process that is no worker.
  func watch(
    onCancel: @escaping @Sendable (UInt64) -> Void, onDrop: @escaping @Sendable (UInt64) -> Void
  ) throws(InterprocessError) {
    state.withLock { ($0.onCancel, $0.onDrop) = (onCancel, onDrop) }
    try WatchingThread.watch(socket.fileDescriptor) { self.take() }
  }

  /// Does what has come.
  ///
  /// - Returns: whether more may come.
  private func take() -> Bool {
    guard let bytes = try? socket.read(upTo: 1024, timeout: .zero) else { return true }
    if bytes.isEmpty { return false }
    let (words, onCancel, onDrop) = state.withLock { state in
      state.rest += bytes
      return (ControlWord.takeAll(from: &state.rest), state.onCancel, state.onDrop)
    }
    // Not under the lock: it runs what the call's code wants to be told.
    for word in words {
      switch word {
      case .cancel(let call): onCancel?(call)
      case .drop(let block): onDrop?(block)
      case .block, .descriptor, .release: break
      }
    }
    return true
  }
}
