import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The worker's end of the socket by which its pool reaches it whatever it is doing.
final class WorkerControl: Sendable {
  private struct State {
    /// Of a word that has not come in full.
    var rest: [UInt8] = []
    var arena: WorkerArena?
    var onCancel: (@Sendable (UInt64) -> Void)?
  }

  private let socket: UnixSocket
  private let state = Mutex(State())

  init(_ socket: consuming UnixSocket) { self.socket = socket }

  var fileDescriptor: FileDescriptor { socket.fileDescriptor }

  var arena: WorkerArena? {
    get { state.withLock { $0.arena } }
    set { state.withLock { $0.arena = newValue } }
  }

  var onCancel: (@Sendable (UInt64) -> Void)? {
    get { state.withLock { $0.onCancel } }
    set { state.withLock { $0.onCancel = newValue } }
  }

  /// Does what has come.
  ///
  /// - Returns: whether more may come.
  func take() -> Bool {
    var cancelled: [UInt64] = []
    // One thread at a time, so that a word's descriptor is not taken for another's.
    let mayMoreCome = state.withLock { state in
      var received = ReceivedDescriptors(atMost: 64)
      guard let bytes = try? socket.read(upTo: 1024, receiving: &received, timeout: .zero) else { return true }
      if bytes.isEmpty { return false }
      state.rest += bytes
      for word in ControlWord.takeAll(from: &state.rest) {
        switch word {
        case .cancel(let call): cancelled.append(call)
        case .block(let block): if let descriptor = received.takeFirst() { state.arena?.adopt(block, descriptor) }
        case .drop(let block): state.arena?.drop(block)
        }
      }
      return true
    }
    // Not under the lock: it runs what the call's code wants to be told.
    for call in cancelled { onCancel?(call) }
    return mayMoreCome
  }

  /// Waits a moment for something to come, and does it.
  func await() {
    var entry = pollfd(fd: socket.fileDescriptor.rawValue, events: CShort(POLLIN), revents: 0)
    poll(&entry, 1, 10)
    _ = take()
  }
}
