import CInterprocess
import CWorkers
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// What the thread does.
extension ForkServerLink {
  /// How long the workers that a dead fork server had just forked may take to say so. They are quick; but a fork of this
  /// process that was made in between may hold their end of the socket open for ever.
  private static let afterlife = Duration.seconds(1)
  /// How long a fork server may take to tell how a worker ended: one that is stopped tells nothing.
  private static let silence = Duration.seconds(1)
  /// How long a fork server may take to end when asked to.
  private static let patience = Duration.seconds(1)

  private enum Source {
    case bell, server, control
    case output(WorkerProcess)
    case worker(WorkerProcess)
  }

  /// What the thread remembers between one wait and the next.
  private struct Memory {
    var isControlOpen = true
    /// When the control socket counts as ended, after the fork server's death.
    var controlEnd: ContinuousClock.Instant?
    /// When a fork server that was asked to end is killed.
    var patienceEnd: ContinuousClock.Instant?
    /// Workers that have ended and of which the fork server has told nothing yet, and until when it may.
    var ended: [UInt64: ContinuousClock.Instant] = [:]
  }

  func serve() {
    var memory = Memory()
    while !isFinished(memory) {
      let (descriptors, sources) = plan(memory)
      var entries = descriptors
      poll(&entries, nfds_t(entries.count), milliseconds(memory))
      for (entry, source) in zip(entries, sources) where entry.revents != 0 { handle(source, entry.revents, &memory) }
      checkClock(&memory)
    }
    state.withLock { $0.isDone = true }
  }

  private func isFinished(_ memory: Memory) -> Bool {
    !memory.isControlOpen && state.withLock { $0.hasEnded && $0.workers.isEmpty }
  }

  private func plan(_ memory: Memory) -> ([pollfd], [Source]) {
    var entries: [pollfd] = []
    var sources: [Source] = []
    func add(_ descriptor: CInt?, _ source: Source, _ events: CInt = POLLIN) {
      guard let descriptor else { return }
      entries.append(pollfd(fd: descriptor, events: CShort(events), revents: 0))
      sources.append(source)
    }
    add(bell.descriptor.rawValue, .bell)
    state.withLock { state in
      // Output first, so that what a worker wrote is here when its end is told.
      for worker in state.workers.values {
        add(worker.output?.descriptor, .output(worker))
        add(worker.errors?.descriptor, .output(worker))
        if memory.ended[worker.id] == nil { add(worker.handleNumber, .worker(worker)) }
      }
      // Before its socket, whose end is read then as a part of its death.
      if !state.hasEnded { add(self.handle.descriptor.rawValue, .server) }
      if memory.isControlOpen {
        add(control.rawValue, .control, state.outbox.isEmpty || state.hasEnded ? POLLIN : POLLIN | POLLOUT)
      }
    }
    return (entries, sources)
  }

  private func milliseconds(_ memory: Memory) -> CInt {
    let ends = [memory.controlEnd, memory.patienceEnd, memory.ended.values.min()]
    guard let next = ends.compactMap({ $0 }).min() else { return -1 }
    let (seconds, attoseconds) = (next - .now).components
    return CInt(clamping: max(0, seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1))
  }

  private func handle(_ source: Source, _ events: CShort, _ memory: inout Memory) {
    switch source {
    case .bell:
      _ = try? bell.tryTake()
      if memory.patienceEnd == nil, state.withLock({ $0.isEnding }) { memory.patienceEnd = .now + Self.patience }
    case .output(let worker):
      worker.output?.drain()
      worker.errors?.drain()
    case .worker(let worker):
      // While the fork server can tell how it ended, that is waited for.
      if memory.isControlOpen { memory.ended[worker.id] = .now + Self.silence } else { end(worker, .unknown) }
    case .control:
      if events & CShort(POLLOUT) != 0 { flush() }
      if events & ~CShort(POLLOUT) != 0 { readReports(&memory) }
    case .server: noteServerEnd(&memory)
    }
  }

  private func checkClock(_ memory: inout Memory) {
    let now = ContinuousClock.now
    if let end = memory.patienceEnd, end <= now {
      memory.patienceEnd = nil
      if !state.withLock({ $0.hasEnded }) { try? handle.signal(SIGKILL) }
    }
    if let end = memory.controlEnd, end <= now { closeControl(&memory) }
    for (id, end) in memory.ended where end <= now || !memory.isControlOpen {
      memory.ended[id] = nil
      if let worker = state.withLock({ $0.workers[id] }) { self.end(worker, .unknown) }
    }
  }

  private func flush() {
    state.withLock { state in
      while let first = state.outbox.first {
        guard (try? socket.trySend(first.bytes, first.descriptors)) != false else { return }
        for descriptor in first.descriptors { close(descriptor) }
        state.outbox.removeFirst()
      }
    }
  }

  private func noteServerEnd(_ memory: inout Memory) {
    let unsent = state.withLock { state in
      state.hasEnded = true
      defer { state.outbox = [] }
      return state.outbox
    }
    for message in unsent { for descriptor in message.descriptors { close(descriptor) } }
    memory.patienceEnd = nil
    if memory.isControlOpen { memory.controlEnd = .now + Self.afterlife }
    let ending = try? handle.tryReap()
    // What it told before it died is told before its death, and what that costs after it.
    if memory.isControlOpen { readReports(&memory, mayClose: false) }
    onEnd(ending)
    if memory.isControlOpen { readReports(&memory) } else { endThoseNotStarted() }
  }

  private func readReports(_ memory: inout Memory, mayClose: Bool = true) {
    while memory.isControlOpen {
      switch try? socket.tryReceive() {
      case .nothing: return
      case nil, .end:
        if mayClose { closeControl(&memory) }
        return
      case .message(let message):
        guard let report = try? Report(decoding: message.bytes) else { continue }
        note(report, message.descriptors, &memory)
      }
    }
  }

  private func note(_ report: Report, _ descriptors: [CInt], _ memory: inout Memory) {
    func worker(_ id: UInt64) -> WorkerProcess? { state.withLock { $0.workers[id] } }
    switch report {
    case .started(let id, let process):
      guard let handle = descriptors.first else { return refuse(id) }
      let owned = OwnedDescriptor(adopting: handle)
      guard let worker = worker(id) else { return }
      worker.start(process: process, handle: owned)
      if state.withLock({ $0.isEnding }) { worker.kill() }
    case .failed(let id, let process, let call, let errno):
      guard let worker = worker(id) else { return }
      let errno = Errno(rawValue: errno)
      let remedy = errno == .tooManyOpenFiles ? Self.descriptorsRemedy : nil
      worker.fail(InterprocessError(call: call, object: "worker \(id)", errno: errno, remedy: remedy))
      // A process that failed is reaped, and that is reported.
      if process == 0 { end(worker, .unknown) }
    case .changed(let id, let status, let usage):
      guard let worker = worker(id) else { return }
      note(worker, status, usage)
      if state.withLock({ $0.workers[id] == nil }) { memory.ended[id] = nil }
    }
  }

  private static var descriptorsRemedy: String {
    "a worker costs its parent a descriptor, and one more for each output collected; raise ulimit -n"
  }

  /// The pidfd was lost on its way: this process may have no more descriptors.
  private func refuse(_ id: UInt64) {
    guard let worker = state.withLock({ $0.workers[id] }) else { return }
    worker.fail(
      InterprocessError(
        call: "recvmsg", object: "worker \(id)", errno: .tooManyOpenFiles,
        remedy: Self.descriptorsRemedy))
    try? send(.kill(id))
  }

  private func closeControl(_ memory: inout Memory) {
    memory.isControlOpen = false
    memory.controlEnd = nil
    // Closed by a fork server that lives: it cannot tell anything any more, and is of no use.
    // Its death is told first.
    if state.withLock({ $0.hasEnded }) { endThoseNotStarted() } else { killServer() }
  }

  private func endThoseNotStarted() {
    let workers = state.withLock { Array($0.workers.values) }
    for worker in workers where !worker.hasStarted {
      worker.fail(Self.gone)
      end(worker, .unknown)
    }
  }

  private func end(_ worker: WorkerProcess, _ ending: WorkerProcessEnding) {
    state.withLock { $0.workers[worker.id] = nil }
    worker.end(ending)
  }
}

extension ForkServerLink {
  private func note(_ worker: WorkerProcess, _ status: CInt, _ usage: ResourceUsage) {
    if cw_wait_stopped(status) {
      worker.onEvent(.stopped(signal: cw_wait_stop_signal(status)))
    } else if cw_wait_continued(status) {
      worker.onEvent(.continued)
    } else {
      end(worker, .reaped(ProcessEnding(waitStatus: status), usage))
    }
  }
}
