import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms
import Workers

/// Each in a process of its own, which counts what is left: descriptors, threads, processes, memory, queues, names.
@Suite("The crash matrix", .blocking)
struct CrashMatrixTests {
  struct Cell: Sendable, CustomTestStringConvertible {
    var stage: Stage
    var way: Way
    var mechanism = "ring"
    /// Of the call, in milliseconds.
    var deadline: Int?

    var testDescription: String { "\(stage) \(way.rawValue) \(mechanism) \(deadline.map { "within \($0) ms" } ?? "")" }

    /// How the call ends: what its description begins with.
    var outcome: String {
      switch stage {
      case .idle, .shuttingDown: return "value"
      case .starting: return "PoolFailed"
      // It had not begun, and goes to another worker; not for ever where none has room for it.
      case .halfArgument where way == .memory: return "crash exited with code 71, out of memory yes"
      case .halfArgument: return way == .ignoringTermination ? "CallDeadlineExceeded" : "value"
      case .decoding, .running, .encoding, .halfWay: break
      }
      switch way {
      case .segmentationFault: return "crash was killed by signal 11"
      case .abort: return "crash was killed by signal 6"
      // SIGILL or SIGTRAP, by the processor.
      case .trap: return "crash was killed by signal"
      case .kill: return "crash was killed by signal 9 (SIGKILL), out of memory possible"
      case .ignoringTermination: return "CallDeadlineExceeded"
      case .stop:
        return deadline == nil ? "crash was killed by signal 9 (SIGKILL), out of memory no" : "CallDeadlineExceeded"
      case .exitZero: return "crash exited with code 0"
      case .exitThree: return "crash exited with code 3"
      case .memory: return "crash was killed by signal"
      case .throwing: return "Refusal"
      }
    }

    /// How many workers the pool's status page says have died of themselves, where no call could tell of it.
    var crashes: Int? {
      guard stage == .idle || stage == .shuttingDown else { return nil }
      // One that ends in order, or does not until it is killed, has not.
      return way == .exitZero || way == .ignoringTermination ? 0 : 1
    }
  }

  static let cells: [Cell] = Stage.allCases.flatMap { stage in
    Way.allCases.compactMap { way in
      var cell = Cell(stage: stage, way: way)
      switch (stage, way) {
      // Nobody is there to be thrown at: a frame that is under way has been made, and no code of the user's runs.
      case (.halfWay, .throwing), (.halfArgument, .throwing), (.idle, .throwing), (.shuttingDown, .throwing):
        return nil
      case (_, .memory) where Sanitizer.isPresent: return nil
      // A call that never ends needs a deadline to end by.
      case (.decoding, .ignoringTermination), (.running, .ignoringTermination), (.encoding, .ignoringTermination),
        (.halfWay, .ignoringTermination), (.halfArgument, .ignoringTermination):
        cell.deadline = 300
      default: break
      }
      return cell
    }
  }

  @Test(
    "a worker that dies, at any stage and in any way, ends its call as documented and leaves nothing", arguments: cells)
  func cell(_ cell: Cell) throws { try check(cell) }

  @Test(
    "a stopped worker is reported when the call's deadline is over before the grace period", arguments: Stage.inCall)
  func stoppedWithDeadline(_ stage: Stage) throws { try check(Cell(stage: stage, way: .stop, deadline: 20)) }

  @Test(
    "a worker that dies half-way through a message costs that call alone, over every mechanism", .queues(2),
    arguments: WorkerPoolTests.mechanisms, [Way.kill, .exitZero])
  func halfWay(_ mechanism: Mechanism, _ way: Way) throws {
    try check(Cell(stage: .halfWay, way: way, mechanism: mechanism.rawValue))
  }

  @Test(
    "a call whose argument was half-way to a worker when that died goes to another, over every mechanism", .queues(2),
    arguments: WorkerPoolTests.mechanisms)
  func halfArgument(_ mechanism: Mechanism) throws {
    try check(Cell(stage: .halfArgument, way: .kill, mechanism: mechanism.rawValue))
  }

  @Test(
    "workers that die before they have used their channels leave nothing of these", .queues(2),
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"),
    arguments: [
      Mechanism.namedPipe, .unixSocket, .posixMessageQueue, .systemVMessageQueue, .posixSharedMemory,
      .systemVSharedMemory,
    ])
  func unused(_ mechanism: Mechanism) throws {
    let run = try Isolated.run([Self.helper, "matrix", "starting", "kill", mechanism.rawValue], timeout: generous)
    #expect(run.output.contains("went off") && run.output.last == "ended", "\(run)")
    #expect(run.exitCode == 0 && run.left.isEmpty, "\(run)")
  }

  @Test("cells that are skipped under a sanitizer are seen", .disabled(if: Sanitizer.isPresent, "\(Sanitizer.absence)"))
  func memory() { #expect(Self.cells.contains { $0.way == .memory }) }

  private static let helper = Package.program("workers-helper")

  private func check(_ cell: Cell) throws {
    let arguments =
      ["matrix", cell.stage.rawValue, cell.way.rawValue, cell.mechanism] + (cell.deadline.map { ["\($0)"] } ?? [])
    let files = try TemporaryDirectory()
    let command = try Command.run(
      Self.helper, arguments, environment: ["TMPDIR": files.path.string], timeout: generous)
    let facts = command.lines
    let outcome = facts.first { $0.hasPrefix("outcome: ") }?.dropFirst("outcome: ".count) ?? ""
    #expect(outcome.hasPrefix(cell.outcome), "\(facts)")
    if cell.way == .memory, Stage.inCall.contains(cell.stage) {
      #expect(outcome.hasSuffix("out of memory yes"), "\(facts)")
    }
    if cell.stage != .starting { #expect(facts.contains("then: value"), "\(facts)") }
    checkThatItHappened(cell, facts)
    #expect(!facts.contains { $0.hasPrefix("late: ") }, "\(facts)")
    #expect(facts.last == "ended" && !facts.contains { $0.hasPrefix("left: ") }, "\(facts) \(command.errors)")
    #expect(rmdir(files.path.string) == 0, "files are left")
    #expect(command.exitCode == 0)
  }

  /// A mark of the worker's says that it came to it, and the pool that it went so.
  private func checkThatItHappened(_ cell: Cell, _ facts: [String]) {
    let isOutOfRoom = cell.stage == .halfArgument && cell.way == .memory
    if !isOutOfRoom { #expect(facts.contains("went off"), "\(facts)") }
    if let crashes = cell.crashes { #expect(facts.contains("crashes \(crashes)"), "\(facts)") }
  }
}

extension Stage {
  /// Those in which a call is under way.
  static let inCall = [Stage.decoding, .running, .encoding, .halfWay]
}
