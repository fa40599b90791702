import Glibc
import Interprocess
import WorkerPrograms
import Workers

/// Distributed calls in a program that has made it hard for them: `calls PLACE [MECHANISM]`.
struct PoolPlaces {
  private let place: String
  private let mechanism: Mechanism

  init(_ arguments: [String]) throws {
    place = arguments.first ?? "plain"
    guard let mechanism = arguments.count > 1 ? Mechanism(rawValue: arguments[1]) : .ring else {
      throw Campaign.Unusable()
    }
    self.mechanism = mechanism
  }

  func run() async throws {
    switch place {
    case "threads": for _ in 0..<50 { startBusyThread() }
    case "closed-input": close(STDIN_FILENO)
    case "replaced": _ = readLine()  // The test has replaced the program's file by now.
    case "few-descriptors", "too-few-descriptors":
      // Whoever runs the tests may leave some of its own.
      for descriptor in STDERR_FILENO + 1..<1024 where fcntl(descriptor, F_GETFD) == 0 { close(descriptor) }
      var limit = rlimit(rlim_cur: 64, rlim_max: 64)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    case "full-shm": fillSharedMemory()
    case "nested": return try await nested()
    default: break
    }
    try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
      if place == "chdir" { chdir("/etc") }
      if place.hasSuffix("few-descriptors") { say("\(try await held(configuration.count, of: pool).count) at once") }
      try await call(pool)
      if place == "chdir" { try await call(pool) }
    }
    say("ended")
    exit(0)
  }

  private var configuration: WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 3, mechanism: mechanism)
    // 15 descriptors for the pool, not all of them from the start, and 9 for each of five workers; eight have more than all.
    if place == "few-descriptors" { configuration.count = 5 }
    if place == "too-few-descriptors" {
      configuration.count = 8
      configuration.restartIntensity = .init(deaths: 3, within: .seconds(60))
    }
    return configuration
  }

  /// The processes of so many workers, which are there at the same time.
  private func held(_ count: Int, of pool: WorkerPool<Subject>) async throws -> Set<Int32> {
    if count == 0 { return [] }
    return try await pool.withWorker { worker in
      let process = try await worker.process()
      return try await held(count - 1, of: pool).union([process])
    }
  }

  private func call(_ pool: WorkerPool<Subject>) async throws {
    let doubles = try await pool.map(0..<100) { try await $0.double($1) }
    say(doubles == (0..<100).map { 2 * $0 } ? "calls" : "wrong: \(doubles)")
    let process = try await pool.run { try await $0.process() }
    say(process != getpid() ? "elsewhere" : "here")
    say("main actor \(try await pool.run { try await $0.onMain() })")
    let squares = try await pool.map(Square.self, 0..<1000)
    say(squares == (0..<1000).map { $0 * $0 } ? "functions" : "wrong: \(squares)")
    let bytes = [UInt8](repeating: 9, count: 1 << 20)
    say(try await pool.run { try await $0.echo(bytes) } == bytes ? "large" : "wrong bytes")
    do {
      _ = try await pool.run { try await $0.die(.abort) }
    } catch let crash as WorkerCrash where crash.ending == .signalled(SIGABRT, coreDumped: false) {
      say("crash")
    }
    say("and \(try await pool.run { try await $0.double(21) })")
  }

  private func fillSharedMemory() {
    let file = open("/dev/shm/filler", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
    let bytes = [UInt8](repeating: 1, count: 4096)
    while write(file, bytes, bytes.count) > 0 {}
    unlinkedAtExit()
  }

  private func unlinkedAtExit() { atexit { unlink("/dev/shm/filler") } }

  private func nested() async throws {
    let processes = try await withWorkerPool(of: Nester.self, count: 1) { pool in
      try await pool.run { try await $0.nest(2) }
    }
    say("\(Set(processes).count) processes")
    do {
      let all = try await withWorkerPool(of: Nester.self, count: 1) { pool in
        try await pool.run { try await $0.nest(20) }
      }
      say("no bound: \(all)")
    } catch {
      say("\(error)".contains("deep") ? "bounded" : "\(error)")
    }
    exit(0)
  }
}
