import Interprocess
import TestSupport
import Testing
import WorkerPrograms

/// The pool is in a process of its own: what harms it ends that, and not the tests.
@Suite("A hostile worker", .blocking)
struct HostileWorkerTests {
  private func facts(_ arguments: String...) throws -> [String] {
    let lines = try lines(["hostile"] + arguments)
    #expect(lines.contains("memory bounded"), "\(lines)")
    return lines
  }

  private func lines(_ arguments: [String]) throws -> [String] {
    let command = try Command.run(Package.program("workers-helper"), arguments, timeout: .seconds(120))
    #expect(command.exitCode == 0 && command.lines.last == "ended", "\(command.output) \(command.errors)")
    return command.lines
  }

  private static let breaches =
    WorkerPoolTests.mechanisms.map { ($0, Hostility.garbage) }
    + [Hostility.emptyMessage, .strangerReply, .strangerReport, .ready, .hollowResult, .resultInFile].map {
      (Mechanism.ring, $0)
    }

  @Test(
    "that breaks the protocol costs its call, is dropped, and the pool goes on, over every mechanism", .queues(4),
    arguments: breaches)
  func breach(_ mechanism: Mechanism, _ hostility: Hostility) throws {
    let facts = try facts(mechanism.rawValue, hostility.rawValue)
    #expect(facts.contains { $0.hasPrefix("outcome: crash ") }, "\(facts)")
  }

  @Test(
    "that sends half a message costs its call, though that has no deadline", .queues(4),
    arguments: [Mechanism.pipe, .namedPipe, .socketPair, .unixSocket])
  func halfMessage(_ mechanism: Mechanism) throws {
    let facts = try facts(mechanism.rawValue, Hostility.halfMessage.rawValue)
    #expect(facts.contains { $0.hasPrefix("outcome: crash ") }, "\(facts)")
  }

  @Test("that answers again and again is heard once", .queues(4), arguments: WorkerPoolTests.mechanisms)
  func repeatedReply(_ mechanism: Mechanism) throws {
    let facts = try facts(mechanism.rawValue, Hostility.repeatedReply.rawValue)
    #expect(facts.contains("outcome: value 1"), "\(facts)")
  }

  @Test(
    "whose result or error is none costs its call",
    arguments: [Hostility.malformedResult, .malformedError, .errorOfForeignType])
  func malformed(_ hostility: Hostility) throws {
    let facts = try facts("ring", hostility.rawValue)
    #expect(facts.contains { $0.hasPrefix("outcome: ") && !$0.hasPrefix("outcome: value") }, "\(facts)")
  }

  @Test(
    "that closes its channel and lives on is ended, and its call told, over every mechanism", .queues(4),
    arguments: WorkerPoolTests.mechanisms)
  func closedChannel(_ mechanism: Mechanism) throws {
    let facts = try facts(mechanism.rawValue, Hostility.closedChannel.rawValue)
    #expect(facts.contains { $0.hasPrefix("outcome: crash ") }, "\(facts)")
  }

  @Test(
    "that claims a giant length costs its call, whose error says so, and no memory; the next is answered", .queues(4),
    arguments: WorkerPoolTests.mechanisms)
  func claims(_ mechanism: Mechanism) throws {
    let lines = try lines(["claims", mechanism.rawValue])
    let claims = Claim.all(over: mechanism)
    #expect(!claims.isEmpty)
    for claim in claims {
      let line = lines.first { $0.hasPrefix("\(claim): ") } ?? ""
      let (kind, text) = Self.error(of: claim)
      #expect(line.hasPrefix("\(claim): \(kind)") && line.contains(text), "\(claim): \(lines)")
    }
    #expect(!lines.contains { $0.hasSuffix(" MB") }, "memory was taken for what was claimed: \(lines)")
  }

  /// What its call's caller gets: the kind of error, and what that says.
  private static func error(of claim: Claim) -> (kind: String, text: String) {
    switch claim.place {
    // What does not decode is its caller's affair; else the worker is dropped.
    case .numbers, .texts: ("DecodingError", "claims \(claim.size) elements, and has no room for them")
    case .text: ("DecodingError", "a string claims \(claim.size) bytes, and 4 are there")
    case .bytes: ("DecodingError", "a string claims \(claim.size) bytes, and 3 are there")
    case .errorText, .failures: ("Malformed", "the other side sent what is no message of a worker pool")
    default: ("crash ", "as it sent what is no message of a worker")
    }
  }

  @Test(
    "does no harm, whatever it sends, over every mechanism", .queues(4), arguments: WorkerPoolTests.mechanisms)
  func fuzzed(_ mechanism: Mechanism) throws {
    let seed = KillCampaignTests.seed()
    #expect(try facts(mechanism.rawValue, "8", seed).contains("seed \(seed)"))
  }
}
