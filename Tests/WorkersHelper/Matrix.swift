import Glibc
import Interprocess
import WorkerPrograms
import Workers

/// One cell of the crash matrix: `matrix STAGE WAY MECHANISM [MILLISECONDS of the calls' deadline]`.
struct Matrix {
  let stage: Stage
  let way: Way
  private let mechanism: Mechanism
  private let deadline: Duration?

  init(_ arguments: [String]) throws {
    guard arguments.count >= 3, let stage = Stage(rawValue: arguments[0]), let way = Way(rawValue: arguments[1]),
      let mechanism = Mechanism(rawValue: arguments[2])
    else { throw Campaign.Unusable() }
    (self.stage, self.way, self.mechanism) = (stage, way, mechanism)
    deadline = arguments.dropFirst(3).first.flatMap { Int($0) }.map { .milliseconds($0) }
  }

  private func configuration(_ board: MarkBoard) -> WorkerPoolConfiguration {
    var configuration = WorkerPoolConfiguration(count: 1, mechanism: mechanism)
    configuration.gracePeriod = grace
    configuration.restartIntensity = nil
    configuration.environment = [MarkBoard.variable: board.path]
    // Of an argument, half has room.
    if way == .memory { configuration.limits.dataBytes = stage == .halfArgument ? 128 << 20 : 400 << 20 }
    if let startTimeout { configuration.startTimeout = startTimeout }
    if stage == .starting {
      configuration.restartIntensity = .init(deaths: Self.starts - 1, within: .seconds(60))
      configuration.environment[Mortal.startVariable] = way.rawValue
    }
    return configuration
  }

  private static let starts = 3
  /// Of a deadline, the time does not count that an argument takes to arrive, up to this.
  private var startTimeout: Duration? {
    switch stage {
    case .starting: .milliseconds(700)
    case .halfArgument where deadline != nil: .seconds(1)
    default: nil
    }
  }

  /// Filling memory takes a while, and a worker that is to end is not to be killed before it is done.
  private var grace: Duration { stage == .shuttingDown && way == .memory ? .seconds(5) : .milliseconds(150) }
  /// A cancelled call, SIGTERM and SIGKILL follow each other in this time.
  private var replacement: Duration { grace * 3 }

  /// How long the call may take.
  private var documented: Duration {
    let start = startTimeout ?? .zero
    return stage == .starting ? (start + grace) * Self.starts : (deadline ?? .zero) + start + grace
  }

  /// Swift starts the threads of its pool as they are needed, and keeps them: they are not what is looked for.
  private static func startThreads() async {
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<(4 * sysconf(CInt(_SC_NPROCESSORS_ONLN))) { group.addTask { usleep(5_000) } }
    }
  }

  func run() async throws {
    Footprint.leadSession()
    let board = try MarkBoard()
    // What a first pool leaves for the next.
    try await withWorkerPool(of: Subject.self, configuration: .init(count: 1, mechanism: mechanism)) { pool in
      _ = try await pool.run { try await $0.double(1) }
    }
    await Self.startThreads()
    let before = Footprint.settled()
    try await fill(board)
    if board.has(.wentOff) { say("went off") }
    for left in before.left(of: board.processes) { say("left: \(left)") }
    say("ended")
    exit(0)
  }

  /// The pool is gone when this returns.
  private func fill(_ board: MarkBoard) async throws {
    let pool = try WorkerPool(of: Mortal.self, configuration: configuration(board))
    await timed("the call", documented) { say("outcome: \(await outcome(pool, board))") }
    if stage != .starting {
      await timed("the next call", replacement) {
        say("then: \(await described { _ = try await pool.run { try await $0.process() } })")
      }
    }
    await timed("the shutdown", replacement) { await pool.shutDown() }
    say("crashes \(Self.crashes)")
    withExtendedLifetime(pool) {}
  }

  /// Says so when something takes 5 s longer than documented: some other timeout has ended it then.
  private func timed(_ what: String, _ documented: Duration, _ body: () async -> Void) async {
    let start = ContinuousClock.now
    await body()
    let time = ContinuousClock.now - start
    if time > documented + .seconds(5) { say("late: \(what) took \(time), \(documented) are documented") }
  }

  /// How many workers have died of themselves, as the pool's status page says.
  private static var crashes: UInt64 {
    var count: UInt64 = 0
    for number in openDescriptors() where Footprint.target(ofDescriptor: "\(number)")?.contains(statusLabel) == true {
      pread(CInt(number), &count, MemoryLayout.size(ofValue: count), crashesOffset)
    }
    return count
  }

  // What StatusPage has.
  private static let statusLabel = "memfd:interprocess-pool"
  private static let crashesOffset: off_t = 24

  private func outcome(_ pool: WorkerPool<Mortal>, _ board: MarkBoard) async -> String {
    let options = CallOptions(deadline: deadline)
    let (stage, way) = (stage, way)
    return await described {
      switch stage {
      case .decoding, .running, .encoding:
        _ = try await pool.run(options: options) { try await $0.take(Fuse(stage, way)) }
      case .halfWay:
        let hold: @Sendable (CInt) -> Void = { process in Self.wait(forEndOrStopOf: process) }
        _ = try await pool.run(reports: CInt.self, options: options, onReport: hold) { try await $0.half(way) }
      case .halfArgument where way == .memory: _ = try await pool.run { try await $0.take(bytes: argument(8)) }
      case .halfArgument: try await callTheDeaf(pool, board, options)
      case .idle:
        let process = try await pool.run { try await $0.later(way) }
        if way == .ignoringTermination { Self.wait { board.has(.wentOff) } } else { Self.wait(forEndOf: process) }
      case .starting: _ = try await pool.run { try await $0.process() }
      case .shuttingDown: _ = try await pool.run { try await $0.atExit(way) }
      }
    }
  }

  private func callTheDeaf(_ pool: WorkerPool<Mortal>, _ board: MarkBoard, _ options: CallOptions) async throws {
    let deaf = try await pool.run { try await $0.turnDeaf(way) }
    board.note(.turnDeaf)
    Self.wait { board.has(.isDeaf) }
    let hearing = try await pool.run(options: options) { try await $0.take(bytes: argument(1)) }
    if hearing == deaf { throw Refusal(why: "the worker that was to go off has answered") }
  }

  /// So many times as much as is more than any mechanism holds.
  private func argument(_ count: Int) -> [[UInt8]] {
    Array(repeating: [UInt8](repeating: 7, count: Mortal.halfWaySize), count: count)
  }

  private func described(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return "value"
    } catch let crash as WorkerCrash {
      return "crash \(crash.ending.map { "\($0)" } ?? "unknown"), out of memory \(crash.outOfMemory)"
    } catch {
      return "\(type(of: error)) \(error)"
    }
  }

  private static func wait(forEndOrStopOf process: CInt) { wait(for: process, toBe: "ZTX") }
  private static func wait(forEndOf process: CInt) { wait(for: process, toBe: "ZX") }

  private static func wait(for process: CInt, toBe states: String) {
    wait {
      let status = Footprint.status(of: process)
      return status.isEmpty || states.contains { status.contains(") \($0) ") }
    }
  }

  /// Blocks its thread: as a report's reader it keeps the pool from reading more.
  private static func wait(until isThere: () -> Bool) {
    let end = ContinuousClock.now + .seconds(10)
    while !isThere(), ContinuousClock.now < end { usleep(500) }
  }
}
