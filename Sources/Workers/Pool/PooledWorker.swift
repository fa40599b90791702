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
    /// What its call has in the arena, until it has answered or died.
    var leases: [ArenaLease] = []
    /// Blocks of the arena that it has been given.
    var knownBlocks: Set<UInt64> = []
    /// Ends its service at the age where it is recycled.
    var ageTimer: UInt64?
  }

  let id: WorkerID
  let slot: Int
  let channel: Channel
  private let control: UnixSocket
  let state = Mutex(State())

  init(_ id: WorkerID, slot: Int, channel: Channel, control: consuming UnixSocket) {
    self.id = id
    self.slot = slot
    self.channel = channel
    self.control = control
  }

  var processID: CInt? { state.withLock { $0.process?.processID } }

  /// Tells the worker that a call is cancelled, whatever it is doing.
  func cancel(_ call: CallID) {
    _ = try? control.tryWrite(ControlWord.cancel(UInt64(call.rawValue)).bytes)
  }

  /// Gives the worker, before a call is sent, the memory in which the call's arguments lie.
  func lend(_ loans: CallLoans, to call: CallID) {
    if !loans.leases.isEmpty { lend(loans.leases) }
    for descriptor in loans.passed?.fileDescriptors ?? [] {
      try? control.write(
        ControlWord.descriptor(UInt64(call.rawValue)).bytes, passing: [descriptor], timeout: .seconds(1))
    }
  }

  private func lend(_ leases: [ArenaLease]) {
    let new = state.withLock { state in
      state.leases = leases
      return leases.filter { state.knownBlocks.insert($0.block.id).inserted }
    }
    for lease in new {
      // A worker that takes nothing for a second is gone or stopped: its call fails in one way or another.
      try? control.write(
        ControlWord.block(lease.block.id).bytes, passing: [lease.block.readOnly.fileDescriptor], timeout: .seconds(1))
    }
  }

  /// The descriptors of the values in a result, which were sent before it.
  ///
  /// - Returns: `nil` when they were not.
  func descriptors(of call: CallID, _ result: [UInt8]) -> ArrivedDescriptors? {
    var reader = FrameReader(result)
    guard let count = try? reader.number(), count > 0 else { return nil }
    var numbers: [CInt] = []
    var rest: [UInt8] = []
    while numbers.count < count {
      var received = ReceivedDescriptors()
      guard let bytes = try? control.read(upTo: 1024, receiving: &received, timeout: .zero), !bytes.isEmpty else {
        break
      }
      rest += bytes
      for case .descriptor(let owner) in ControlWord.takeAll(from: &rest) {
        guard let descriptor = received.takeFirst() else { break }
        // What an earlier call left is closed.
        if owner == UInt64(call.rawValue) { numbers.append(descriptor.release().rawValue) }
      }
    }
    let arrived = ArrivedDescriptors(adopting: numbers)
    return numbers.count == count ? arrived : nil
  }

  /// A block of the arena will not be used again.
  func forget(_ block: UInt64) {
    guard state.withLock({ $0.knownBlocks.remove(block) }) != nil else { return }
    _ = try? control.tryWrite(ControlWord.drop(block).bytes)
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
