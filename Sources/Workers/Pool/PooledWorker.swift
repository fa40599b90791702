import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A worker process and what leads to it, as its pool has it.
final class PooledWorker: Sendable {
  struct State {
    /// Until it is gone: its process and it refer to each other.
    var process: WorkerProcess?
    var isReady = false
    /// That it is has been told.
    var isAnnounced = false
    /// The call that was sent and has not been answered.
    var call: PendingCall?
    /// Somebody reads its channel.
    var isRead = false
    /// Does so where that is a task.
    var reader: Task<Void, Never>?
    /// Nothing more comes from its channel.
    var isAtEnd = false
    /// How it ended, once it has: its last words are still to be read.
    var ending: WorkerProcessEnding?
    var isClosed = false
    /// SIGTERM or SIGKILL were the pool's.
    var wasSignalled = false
    /// What it is to be sent as soon as its process is known: that one runs may be told before.
    var signalToCome: CInt?
    /// What SIGKILL was for, or would be.
    var fault: WorkerCrash.Fault?
    /// What its call has in the arena, until it has answered or died.
    var leases: [ArenaLease] = []
    /// Blocks of the arena that it has been given.
    var knownBlocks: Set<UInt64> = []
    /// Ends its service at the age where it is recycled.
    var ageTimer: UInt64?
    /// Why it goes when it is free, where the machine is told and does not find that out itself.
    var retirement: Retirement?
    /// How often it was stopped, or continued.
    var stops = 0
    /// It was asked to exit.
    var isSentHome = false
  }

  let id: WorkerID
  let slot: Int
  let channel: Channel
  let journal: WorkerJournal
  private let control: ControlLine
  /// Apart from `control`, whose every word wakes a thread in the worker.
  private let memory: ControlLine
  let state = Mutex(State())

  init(
    _ id: WorkerID, slot: Int, channel: Channel, control: consuming UnixSocket, memory: consuming UnixSocket,
    journal: consuming WorkerJournal
  ) {
    self.journal = journal
    self.id = id
    self.slot = slot
    self.channel = channel
    self.control = ControlLine(control)
    self.memory = ControlLine(memory)
  }

  /// What it is killed for, where it is: the first such thing, and nothing that comes of its being killed.
  func note(_ fault: WorkerCrash.Fault) {
    state.withLock { if $0.fault == nil, !$0.wasSignalled { $0.fault = fault } }
  }

  /// Whether a stop of it is to be told of: not where it stops again and again.
  func isStopNews() -> Bool {
    state.withLock { state in
      state.stops += 1
      return state.stops <= Self.mostStopsTold
    }
  }

  private static let mostStopsTold = 16

  /// It was stopped, and runs again.
  func noteContinuation() { state.withLock { if $0.fault == .stopped { $0.fault = nil } } }

  var processID: CInt? { state.withLock { $0.process?.processID } }

  /// The process that was started for it; it ends at once where nobody waits for it any more.
  func adopt(_ process: WorkerProcess) {
    let signal = state.withLock { state -> CInt? in
      if state.isClosed { return SIGKILL }
      state.process = process
      return state.signalToCome.take()
    }
    if let signal { try? process.signal(signal) }
  }

  /// Tells the worker that a call is cancelled, whatever it is doing.
  func cancel(_ call: CallID) { control.send(.cancel(UInt64(call.rawValue))) }

  /// Gives the worker, before a call is sent, the memory in which the call's arguments lie. It waits for that.
  func lend(_ frame: CallFrame, to call: CallID) {
    lend(frame.leases)
    guard let passed = frame.passed else { return }
    for descriptor in passed.fileDescriptors {
      memory.send(.descriptor(UInt64(call.rawValue)), descriptor, of: passed)
    }
  }

  private func lend(_ leases: [ArenaLease]) {
    let new = state.withLock { state in
      state.leases = leases
      return leases.filter { state.knownBlocks.insert($0.block.id).inserted }
    }
    for block in new.lazy.map(\.block)
    where !memory.send(.block(block.id), block.readOnly.fileDescriptor, of: block) {
      _ = state.withLock { $0.knownBlocks.remove(block.id) }
    }
  }

  /// The descriptors of the values in a result, which were sent before it.
  ///
  /// - Returns: `nil` when they were not.
  /// - Throws: what is no fault of the worker's: `Errno.tooManyOpenFiles`.
  func descriptors(of call: CallID, _ result: [UInt8]) throws(InterprocessError) -> ArrivedDescriptors? {
    var reader = FrameReader(result)
    guard let claimed = try? reader.number(), claimed > 0, claimed <= MemorySocket.mostInResult else { return nil }
    let count = Int(claimed)
    var numbers: [CInt] = []
    defer { if numbers.count < count { _ = ArrivedDescriptors(adopting: numbers) } }
    var rest: [UInt8] = []
    // Some may be left of earlier calls; what has no end is no worker's of ours.
    for _ in 0..<(2 * MemorySocket.mostInResult) where numbers.count < count {
      var received = ReceivedDescriptors()
      guard let bytes = try memory.tryRead(receiving: &received), !bytes.isEmpty else { break }
      rest += bytes
      for case .descriptor(let owner) in ControlWord.takeAll(from: &rest) {
        guard let descriptor = received.takeFirst() else { break }
        // What an earlier call left is closed.
        if owner == UInt64(call.rawValue) { numbers.append(descriptor.release().rawValue) }
      }
    }
    return numbers.count == count ? ArrivedDescriptors(adopting: numbers) : nil
  }

  /// The memory that a call's result lies in is not needed any more.
  func release(_ call: CallID) { memory.send(.release(UInt64(call.rawValue))) }

  /// A block of the arena will not be used again.
  func forget(_ block: UInt64) {
    if state.withLock({ $0.knownBlocks.remove(block) }) != nil { control.send(.drop(block)) }
  }

  func signal(_ signal: CInt) {
    let process = state.withLock { state in
      state.wasSignalled = true
      if state.process == nil { state.signalToCome = signal }
      return state.process
    }
    try? process?.signal(signal)
  }

  /// Sends a frame from a task of its own.
  ///
  /// - Parameter onFailure: called when the worker is gone, and has not got all of it.
  func sendInTask(_ frame: [UInt8], onFailure: @escaping @Sendable () -> Void) {
    let channel = channel
    Task.detached {
      do {
        try await channel.send(frame)
      } catch {
        onFailure()
      }
    }
  }

  /// Lets go of everything, as the worker is gone.
  ///
  /// - Returns: whether it had not been done before.
  func close() -> Bool {
    let (last, isFirst) = state.withLock { state in
      defer {
        state.process = nil
        state.call = nil
        state.leases = []
        state.reader = nil
        state.ageTimer = nil
        state.isClosed = true
      }
      return (state, !state.isClosed)
    }
    guard isFirst else { return false }
    if let timer = last.ageTimer { (try? Reactor.shared())?.unwatch(timer) }
    channel.close()
    control.close()
    memory.close()
    // A stream that a process of the worker's own has inherited would not come to its end.
    last.reader?.cancel()
    return true
  }
}
