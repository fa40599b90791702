import CInterprocess
import CWorkers
import Glibc
import Interprocess
import SystemPackage

/// The fork server's side: a process with a single thread that starts workers, and tells how they end.
///
/// It never touches Swift's concurrency: a child forked from a process that has could not use it.
struct ForkServerProcess {
  private let control: ControlSocket
  /// The pidfd of the process that has the pool. Any fork of that may hold the control socket's other end open.
  private let parent: CInt
  private let commission: Commission
  private let childSignals: CInt
  /// The ids of the workers that have not been reaped, by process.
  private var workers: [CInt: UInt64] = [:]
  /// Workers that lost their own fork server.
  private var adopted: [Adopted] = []
  /// Of those that have not been reaped, by id.
  private var queues: [UInt64: [CInt]] = [:]
  /// Of those that were reaped last: a parent that dies meanwhile does not remove them. Their ids are not used again soon.
  private var orphaned: [CInt] = []
  private static let mostOrphaned = 64

  private struct Adopted {
    let pidfd: CInt
    let queues: [CInt]
  }

  init(control: ControlSocket, parent: CInt, commission: Commission) {
    self.control = control
    self.parent = parent
    self.commission = commission
    childSignals = cw_child_signal_descriptor()
    if childSignals < 0 { _exit(127) }
  }

  mutating func run() -> Never {
    cw_name_process("fork server")
    warmUp()
    while true {
      let watched = [parent, control.number, childSignals] + adopted.map(\.pidfd)
      var entries = watched.map { pollfd(fd: $0, events: CShort(POLLIN), revents: 0) }
      if poll(&entries, nfds_t(entries.count), -1) < 0 { continue }
      if entries[0].revents != 0 { end() }
      if entries[2].revents != 0 { reap() }
      if entries[1].revents != 0 { serveOne() }
      let ended = Set(entries.dropFirst(3).filter { $0.revents != 0 }.map(\.fd))
      for worker in adopted where ended.contains(worker.pidfd) { orphan(worker.queues) }
      adopted.removeAll { ended.contains($0.pidfd) }
      for handle in ended { close(handle) }
    }
  }

  /// What Swift does once and each worker would have to do anew.
  private func warmUp() {
    _ = try? CBORDecoder().decode(Int.self, from: CBOREncoder().encode(0))
  }

  /// Ends with all workers, stopped ones too.
  private mutating func end() -> Never {
    for process in workers.keys {
      kill(process, SIGKILL)
      // And what it has started.
      kill(-process, SIGKILL)
    }
    for worker in adopted { _ = ci_pidfd_send_signal(worker.pidfd, SIGKILL) }
    // The parent may be dead, and who else knows of them dies here. Of a parent that lives, nobody is left to talk to.
    for id in orphaned + queues.values.joined() + adopted.flatMap(\.queues) { cw_remove_queue(id) }
    // Nobody else would, where the first process of a container reaps nothing.
    while !workers.isEmpty {
      var change = cw_change()
      guard cw_next_change(&change, true) > 0 else { break }
      tell(change)
    }
    _exit(0)
  }

  private mutating func reap() {
    var rings: UInt64 = 0
    _ = read(childSignals, &rings, 8)
    var change = cw_change()
    while cw_next_change(&change, false) > 0 { tell(change) }
  }

  private mutating func tell(_ change: cw_change) {
    guard let id = workers[change.process] else { return }
    let hasEnded = !cw_wait_stopped(change.status) && !cw_wait_continued(change.status)
    if hasEnded {
      workers[change.process] = nil
      orphan(queues.removeValue(forKey: id) ?? [])
    }
    report(.changed(id: id, status: change.status, usage: ResourceUsage(change)))
  }

  private mutating func orphan(_ ids: [CInt]) {
    orphaned += ids
    orphaned.removeFirst(max(0, orphaned.count - Self.mostOrphaned))
  }

  private func report(_ report: Report) {
    // A parent that is gone is noticed by its pidfd.
    _ = control.send(report, whileLives: parent)
  }

  private mutating func serveOne() {
    guard let arrival = try? control.tryReceive() else { end() }
    switch arrival {
    case .nothing: return
    case .end: end()
    case .message(let message):
      guard let request = try? Request(decoding: message.bytes) else { end() }
      serve(request, message)
    }
  }

  private mutating func serve(_ request: Request, _ message: ControlSocket.Message) {
    switch request {
    case .end: end()
    case .adopt(let queues): adopted += message.descriptors.map { Adopted(pidfd: $0, queues: queues) }
    case .kill(let id):
      for (process, other) in workers where other == id { kill(process, SIGKILL) }
    case .start(let fields):
      guard let start = try? StartRequest(decoding: fields) else { end() }
      if message.lostDescriptors {
        fail(start.id, "recvmsg", .tooManyOpenFiles)
      } else {
        startWorker(start, fields, message.descriptors)
      }
      for descriptor in message.descriptors { close(descriptor) }
    }
  }

  private func fail(_ id: UInt64, _ call: String, _ reason: Errno) {
    report(.failed(id: id, process: 0, call: call, errno: reason.rawValue))
  }

  private mutating func startWorker(_ request: StartRequest, _ fields: [UInt8], _ descriptors: [CInt]) {
    // Found here, it is found at once in every process forked later.
    let program = StartedWorker.program(named: request.program)
    program?.prepare(for: request.setup)
    if ci_thread_count() != 1 { return executeWorker(request, fields, descriptors) }
    switch valueOrErrno({ ci_fork() }) {
    case .failure(let reason): fail(request.id, "fork", reason)
    case .success(0):
      cw_forget_child_signals(childSignals)
      for worker in adopted { close(worker.pidfd) }
      StartedWorker(request: request, control: control, parent: parent, descriptors: descriptors).run(program)
    case .success(let process): note(process, request)
    }
  }

  private mutating func note(_ process: CInt, _ request: StartRequest) {
    workers[process] = request.id
    if !request.queues.isEmpty { queues[request.id] = request.queues }
  }

  /// Some library has started a thread, whose locks a forked child would find held for ever.
  private mutating func executeWorker(_ request: StartRequest, _ fields: [UInt8], _ descriptors: [CInt]) {
    let setting = getenv("SWIFT_BACKTRACE").map { String(cString: $0) }
    let worker = Commission(
      role: .worker(fields), backtraceSetting: setting, wantsBacktraces: commission.wantsBacktraces,
      depth: Int(cw_depth()))
    do {
      let spawned = try spawnSelf(worker, passing: [parent, control.number] + descriptors)
      note(spawned.process, request)
    } catch {
      fail(request.id, error.call, error.errno)
    }
  }
}
