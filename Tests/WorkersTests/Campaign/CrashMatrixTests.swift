import Interprocess
import TestSupport
import Testing
import WorkerPrograms
import Workers

/// Each in a process of its own, which counts what is left: descriptors, threads, processes.
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
  }

  static let cells: [Cell] = Stage.allCases.flatMap { stage in
    Way.allCases.compactMap { way in
      var cell = Cell(stage: stage, way: way)
      switch (stage, way) {
      // Nobody is there to be thrown at: a frame that is under way has been made, and no code of the user's runs.
      case (.halfWay, .throwing), (.idle, .throwing), (.shuttingDown, .throwing): return nil
      case (_, .memory) where Sanitizer.isPresent: return nil
      // A call that never ends needs a deadline to end by.
      case (.decoding, .ignoringTermination), (.running, .ignoringTermination), (.encoding, .ignoringTermination),
        (.halfWay, .ignoringTermination):
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

  @Test("cells that are skipped under a sanitizer are seen", .disabled(if: Sanitizer.isPresent, "\(Sanitizer.absence)"))
  func memory() { #expect(Self.cells.contains { $0.way == .memory }) }

  private func check(_ cell: Cell) throws {
    let arguments =
      ["matrix", cell.stage.rawValue, cell.way.rawValue, cell.mechanism] + (cell.deadline.map { ["\($0)"] } ?? [])
    let command = try Command.run(Package.program("workers-helper"), arguments, timeout: generous)
    let facts = command.lines
    let outcome = facts.first { $0.hasPrefix("outcome: ") }?.dropFirst("outcome: ".count) ?? ""
    #expect(outcome.hasPrefix(cell.outcome), "\(facts)")
    if cell.way == .memory, Stage.inCall.contains(cell.stage) {
      #expect(outcome.hasSuffix("out of memory yes"), "\(facts)")
    }
    if cell.stage != .starting { #expect(facts.contains("then: value"), "\(facts)") }
    #expect(facts.last == "ended" && !facts.contains { $0.hasPrefix("left: ") }, "\(facts) \(command.errors)")
    #expect(command.exitCode == 0)
  }
}

extension Stage {
  /// Those in which a call is under way.
  static let inCall = [Stage.decoding, .running, .encoding, .halfWay]
}
