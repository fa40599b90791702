import CInterprocess
import CWorkers
import Glibc
import Interprocess
import SystemPackage

/// A worker process in its first moments: forked from the fork server, or executed where that may not fork.
struct StartedWorker {
  let request: StartRequest
  let control: ControlSocket
  /// The pidfd of the process that has the pool.
  let parent: CInt
  /// As they came with the request.
  let descriptors: [CInt]

  private struct Failure: Error {
    let call: String
    let errno = Glibc.errno
  }

  static func program(named name: String) -> (any WorkerProgram.Type)? {
    _typeByName(name) as? any WorkerProgram.Type
  }

  /// Becomes what the request says, reports it, and runs the program.
  ///
  /// The report is this process's own: a fork server killed between fork and report would leave a worker that nobody
  /// knows. It comes last, so that one report says whether everything went well.
  func run(_ program: (any WorkerProgram.Type)?) -> Never {
    setpgid(0, 0)
    cw_name_process("worker \(request.id)")
    cw_set_depth(cw_depth() &+ 1)
    do throws(Failure) {
      let handle = try check("pidfd_open", ci_pidfd_open(getpid(), 0))
      let own = try arrange()
      guard let program else { throw Failure(call: "_typeByName") }
      try check("pthread_create", cw_watch_parent(parent, request.queues, CInt(request.queues.count)))
      guard control.send(.started(id: request.id, process: getpid()), [handle], whileLives: parent) else { _exit(127) }
      close(handle)
      close(control.number)
      serve(program, own)
    } catch {
      fail(error)
    }
  }

  private func fail(_ failure: Failure) -> Never {
    let report = Report.failed(id: request.id, process: getpid(), call: failure.call, errno: failure.errno)
    _ = control.send(report, whileLives: parent)
    _exit(127)
  }

  @discardableResult
  private func check(_ call: String, _ result: CInt) throws(Failure) -> CInt {
    if result == -1 { throw Failure(call: call) }
    return result
  }

  /// Directory, output, environment, niceness, and the limits last: they may be too low for the rest.
  ///
  /// - Returns: the descriptors that are the program's.
  private func arrange() throws(Failure) -> [CInt] {
    var rest = descriptors[...]
    if request.bringsDirectory, let directory = rest.popFirst() {
      try check("fchdir", fchdir(directory))
      close(directory)
    }
    for (destination, number) in [(request.output, STDOUT_FILENO), (request.errors, STDERR_FILENO)] {
      try redirect(number, to: destination, &rest)
    }
    for (name, value) in request.environment {
      if let value { try check("setenv", setenv(name, value, 1)) } else { try check("unsetenv", unsetenv(name)) }
    }
    errno = 0
    if request.niceness != 0, nice(request.niceness) == -1, errno != 0 { throw Failure(call: "nice") }
    for (limit, value) in limits { if let value { try check("setrlimit", cw_lower_limit(limit, value)) } }
    return Array(rest)
  }

  private var limits: [(cw_limit, UInt64?)] {
    let limits = request.limits
    return [
      (cw_limit_data, limits.dataBytes), (cw_limit_cpu_seconds, limits.processorSeconds),
      (cw_limit_open_files, limits.openFiles), (cw_limit_address_space, limits.addressSpaceBytes),
    ]
  }

  private func redirect(
    _ number: CInt, to destination: StartRequest.Destination, _ descriptors: inout ArraySlice<CInt>
  ) throws(Failure) {
    let target: CInt
    switch destination {
    case .inherit: return
    case .drop: target = try check("open", open("/dev/null", O_WRONLY | O_CLOEXEC))
    case .descriptor: target = descriptors.popFirst() ?? -1
    }
    try check("dup2", dup2(target, number))
    close(target)
  }

  private func serve(_ program: any WorkerProgram.Type, _ descriptors: [CInt]) -> Never {
    program.start(WorkerStart(setup: request.setup, depth: Int(cw_depth()), descriptors: descriptors))
    drainMainQueue()
  }
}

/// What every `async` main ends in: runs the main executor's jobs for ever.
@_silgen_name("swift_task_asyncMainDrainQueue")
private func drainMainQueue() -> Never
