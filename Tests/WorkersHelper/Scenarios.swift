import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage
import WorkerPrograms
import Workers

func say(_ fact: String) {
  print(fact)
  fflush(nil)
}

func scenario(_ arguments: [String]) throws {
  switch arguments.first ?? "" {
  case "hello": try hello()
  case "measure": try measure()
  case "environment": say(run("/usr/bin/env").contains("INTERPROCESS") ? "marker" : "no marker")
  case "threads":
    for _ in 0..<50 { startBusyThread() }
    try hello()
  case "chdir":
    chdir("/usr")
    let server = try ForkServer.start()
    chdir("/etc")
    say(try Observed(server, "directory end").line())
  case "closed-input":
    for descriptor in CInt(0)...2 where arguments.dropFirst().contains("\(descriptor)") { close(descriptor) }
    let path = arguments.last ?? ""
    try helloTo(try FileDescriptor.open(path, .writeOnly, options: .create, permissions: .ownerReadWrite))
  case "replaced":
    // The test has replaced the file by now.
    _ = readLine()
    try hello()
  case "few-descriptors": try fewDescriptors()
  case "dying": try dying(Array(arguments.dropFirst()))
  case "starting": try starting(arguments)
  case "pool": try pool()
  case "large": try large()
  case "campaign", "matrix", "hostile", "claims", "pool-dying", "calls", "output": try poolScenario(arguments)
  default: say("unknown scenario")
  }
}

/// Busy for as long as the process is, and no more in the way of the tests beside it than it has to be: Linux takes
/// niceness for a thread's.
func startBusyThread() {
  startThread {
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    while getpid() > 0 {}
  }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
  let job = Unmanaged.passRetained(Job(body))
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { argument in
      argument.map { Unmanaged<Job>.fromOpaque($0).takeRetainedValue().body() }
      return nil
    }, job.toOpaque())
}

final class Job: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

func hello() throws {
  let server = try ForkServer.start()
  let worker = try Observed(server, "concurrency")
  say(try worker.line())
  say(try worker.end())
}

func helloTo(_ file: FileDescriptor) throws {
  let server = try ForkServer.start()
  let worker = try Observed(server, "concurrency")
  _ = try file.writeAll("\(try worker.line())\n\(try worker.end())\n".utf8)
}

/// Workers until there are no descriptors for more.
func fewDescriptors() throws {
  var limit = rlimit(rlim_cur: 64, rlim_max: 64)
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  let server = try ForkServer.start()
  var workers: [WorkerProcess] = []
  let failure = Mutex("")
  let started = Atomic(0)
  for _ in 0..<100 {
    do {
      workers.append(
        try server.startWorker(program: Act.self, setup: Array("nap".utf8)) { event in
          if case .started = event { started.add(1, ordering: .relaxed) }
          if case .ended(.notStarted(let error)) = event { failure.withLock { $0 = "\(error)" } }
        })
    } catch {
      failure.withLock { $0 = "\(error)" }
    }
    if failure.withLock({ !$0.isEmpty }) { break }
    usleep(5000)
  }
  try within10Seconds("a failure") { failure.withLock { !$0.isEmpty } }
  say(failure.withLock { $0 }.contains("ulimit -n") ? "clear error" : failure.withLock { $0 })
  say(started.load(ordering: .relaxed) > 20 ? "many" : "\(started.load(ordering: .relaxed))")
  server.end()
  try server.waitForEnd(timeout: .seconds(10))
  say("ended")
}

/// Writes the process ids of fork server and workers into a file, and is killed by whoever reads them.
func dying(_ options: [String]) throws {
  var server = try ForkServer.start()
  let workers = try options.filter { !$0.hasPrefix("-") }.map { try Observed(server, "ready \($0)") }
  for worker in workers { _ = try worker.line() }
  if options.contains("stop") { usleep(20_000) }
  if options.contains("-fork-server-first") || options.contains("-adopted") {
    kill(server.processID, SIGKILL)
    try within10Seconds("the fork server's end") { server.hasEnded }
  }
  let dead = server
  if options.contains("-adopted") {
    server = try ForkServer.start()
    for worker in workers {
      try server.adopt(worker.process)
      try worker.process.signal(SIGSTOP)
    }
    // Requests are served in order: the adoption has been by now.
    _ = try Observed(server, "end").end()
  }
  if options.contains("-forked-since"), ci_fork() == 0 {
    alarm(3)
    while true { pause() }
  }
  try tell(([server.processID] + workers.compactMap(\.process.processID)), options)
  withExtendedLifetime(dead) { while true { pause() } }
}

/// Starts workers for as long as it lives.
func starting(_ options: [String]) throws {
  let server = try ForkServer.start()
  try tell([server.processID], options)
  while true { _ = try server.startWorker(program: Act.self, setup: Array("nap".utf8)) { _ in } }
}

private func tell(_ ids: [CInt], _ options: [String]) throws {
  guard let path = options.first(where: { $0.hasPrefix("-to=") })?.dropFirst(4) else { return }
  let file = try FileDescriptor.open(
    "\(path)-", .writeOnly, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
  try file.writeAll(ids.map { "\($0)" }.joined(separator: " ").utf8)
  rename("\(path)-", String(path))
}

func measure() throws {
  func milliseconds(_ body: () throws -> Void) rethrows -> Double {
    let duration = try ContinuousClock().measure(body)
    return Double(duration.components.attoseconds) / 1e15 + Double(duration.components.seconds) * 1e3
  }
  var server: ForkServer?
  let spawn = try milliseconds { server = try ForkServer.start() }
  guard let server else { return }
  let first = try milliseconds { _ = try Observed(server, "ready nap").line() }
  var times: [Double] = []
  for _ in 0..<200 {
    var worker: Observed?
    times.append(
      try milliseconds {
        worker = try Observed(server, "ready nap")
        _ = try worker?.line()
      })
    worker?.process.kill()
    _ = try worker?.end()
  }
  times.sort()
  say("spawn \(spawn) ms, first worker \(first) ms, later p50 \(times[100]) ms, p99 \(times[198]) ms")
  let pool = try milliseconds {
    let other = try ForkServer.start()
    let workers = try (0..<8).map { _ in try Observed(other, "ready nap") }
    for worker in workers { _ = try worker.line() }
    other.end()
  }
  let thousand = try milliseconds {
    for _ in 0..<1000 {
      let worker = try Observed(server, "ready end")
      _ = try worker.line()
      _ = try worker.end()
    }
  }
  say("pool of 8 with a fork server of its own \(pool) ms; 1000 processes \(thousand) ms")
}
