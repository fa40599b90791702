import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A worker process and what leads to it, as its pool has it.
final class PooledWorker: Sendable {
  struct State {
    var process: WorkerProcess?
    var isReady = false
    /// The call that was sent and has not been answered.
    var call: CallID?
    /// Somebody reads its channel.
    var isRead = false
    /// Nothing more comes from its channel.
    var isAtEnd = false
    /// How it ended, once it has: its last words are still to be read.
    var ending: WorkerProcessEnding?
    var isClosed = false
    /// SIGTERM or SIGKILL were the pool's.
    var wasSignalled = false
  }

  let id: WorkerID
  let slot: Int
  let channel: Channel
  private let cancellations: UnixSocket
  let state = Mutex(State())

  init(_ id: WorkerID, slot: Int, channel: Channel, cancellations: consuming UnixSocket) {
    self.id = id
    self.slot = slot
    self.channel = channel
    self.cancellations = cancellations
  }

  var processID: CInt? { state.withLock { $0.process?.processID } }

  /// Tells the worker that a call is cancelled, whatever it is doing.
  func cancel(_ call: CallID) {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(call.rawValue))
    _ = try? cancellations.tryWrite(bytes.span.bytes)
  }

  func signal(_ signal: CInt) {
    let process = state.withLock { state in
      state.wasSignalled = true
      return state.process
    }
    try? process?.signal(signal)
  }

  /// Sends a frame: at once if it is short and there is room, from a task of its own otherwise.
  func send(_ frame: [UInt8]) {
    do {
      if try channel.trySendAtOnce(frame) { return }
    } catch {
      // The worker is gone, and its ending on the way.
      return
    }
    let channel = channel
    Task.detached { try? await channel.send(frame) }
  }
}
