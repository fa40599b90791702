import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// The parent's side of one fork server: what it was asked for, and the thread that reads what it tells.
///
/// The thread lives as long as the fork server or one of its workers does.
final class ForkServerLink: Sendable {
  struct State: ~Copyable {
    var workers: [UInt64: WorkerProcess] = [:]
    /// What did not fit into the socket yet.
    var outbox: [Outgoing] = []
    var lastID: UInt64 = 0
    var isEnding = false
    /// The fork server's, not the workers'.
    var hasEnded = false
    var isDone = false
  }

  struct Outgoing {
    var bytes: [UInt8]
    /// Copies that are its own.
    var descriptors: [CInt]
  }

  let process: CInt
  let handle: ProcessHandle
  let control: OwnedDescriptor
  /// Rings when there is something to do for the thread that no other descriptor tells of.
  let bell: EventCounter
  let onEnd: @Sendable (ProcessEnding?) -> Void
  let state = Mutex(State())

  init(
    process: CInt, handle: consuming ProcessHandle, control: consuming OwnedDescriptor, bell: consuming EventCounter,
    onEnd: @escaping @Sendable (ProcessEnding?) -> Void
  ) {
    self.process = process
    self.handle = handle
    self.control = control
    self.bell = bell
    self.onEnd = onEnd
  }

  var hasEnded: Bool { state.withLock { $0.hasEnded || $0.isEnding } }
  var socket: ControlSocket { ControlSocket(number: control.rawValue) }

  func nextID() -> UInt64 {
    state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
  }

  func startThread() throws(InterprocessError) {
    let link = Unmanaged.passRetained(self)
    do {
      try systemCall("pthread_create", nil) {
        ci_start_thread(
          { argument in
            argument.map { Unmanaged<ForkServerLink>.fromOpaque($0).takeRetainedValue().serve() }
            return nil
          }, link.toOpaque())
      }
    } catch {
      link.release()
      throw error
    }
  }

  /// Ends a fork server that no thread serves.
  func abandon() {
    try? handle.signal(SIGKILL)
    _ = try? handle.reap(timeout: .seconds(1))
  }

  func start(
    _ worker: WorkerProcess, _ request: StartRequest, _ descriptors: [CInt]
  ) throws(InterprocessError) {
    let bytes = Request.start(request.encoded()).encoded()
    let result = state.withLock { state -> Result<Void, InterprocessError> in
      if state.hasEnded || state.isEnding { return .failure(Self.gone) }
      // Known before its first report can come.
      state.workers[worker.id] = worker
      let result = post(bytes, descriptors, &state)
      if case .failure = result { state.workers[worker.id] = nil }
      return result
    }
    try result.get()
  }

  func send(_ request: Request, _ descriptors: [CInt] = []) throws(InterprocessError) {
    try state.withLock { state -> Result<Void, InterprocessError> in
      state.hasEnded ? .failure(Self.gone) : post(request.encoded(), descriptors, &state)
    }.get()
  }

  static let gone = InterprocessError(
    call: "startWorker", errno: .noChildProcess, remedy: "the fork server has ended; start another")

  /// Sends, or leaves it to the thread where there is no room: a caller never waits.
  private func post(_ bytes: [UInt8], _ descriptors: [CInt], _ state: inout State) -> Result<Void, InterprocessError> {
    do throws(InterprocessError) {
      if state.outbox.isEmpty, try socket.trySend(bytes, descriptors) { return .success(()) }
      var copies: [CInt] = []
      for descriptor in descriptors {
        let copy = valueOrErrno { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
        guard case .success(let number) = copy else {
          for copy in copies { close(copy) }
          return .failure(InterprocessError(call: "fcntl", object: "descriptor \(descriptor)", errno: .current))
        }
        copies.append(number)
      }
      state.outbox.append(Outgoing(bytes: bytes, descriptors: copies))
      _ = try bell.tryAdd()
      return .success(())
    } catch {
      // The fork server has ended, and the thread is about to notice.
      return .failure(error.errno == .brokenPipe || error.errno == .connectionReset ? Self.gone : error)
    }
  }

  func end() {
    let workers = state.withLock { state -> [WorkerProcess] in
      if state.isEnding { return [] }
      state.isEnding = true
      if !state.hasEnded { _ = post(Request.end.encoded(), [], &state) }
      return Array(state.workers.values)
    }
    // The fork server does it too; of one that has died these are all there is left to tell.
    for worker in workers { worker.kill() }
    _ = try? bell.tryAdd()
  }

  func killServer() { try? handle.signal(SIGKILL) }

  func waitForEnd(timeout: Duration?) throws(InterprocessError) {
    let clock = ContinuousClock()
    let deadline = timeout.map { clock.now + $0 }
    while !state.withLock({ $0.isDone }) {
      if let deadline, clock.now > deadline {
        throw InterprocessError(call: "waitForEnd", object: "fork server \(process)", errno: .timedOut)
      }
      usleep(500)
    }
  }
}
