import Glibc
import Interprocess
import TestSupport
import Testing

/// Small ones; `.ci/campaign` has the large ones. A seed that failed is to be replayed by
/// `workers-helper campaign MECHANISM CALLS KILLS SEED`.
@Suite("A campaign of kills", .blocking, .serialized)
struct KillCampaignTests {
  /// The same every time here; `.ci/campaign` has another one each time.
  static func seed() -> String { getenv("CAMPAIGN_SEED").map { String(cString: $0) } ?? "20261126" }

  private func run(_ arguments: String...) throws {
    let command = try Command.run(Package.program("workers-helper"), ["campaign"] + arguments, timeout: .seconds(120))
    #expect(command.exitCode == 0 && command.lines.last == "ok", "\(arguments): \(command.output) \(command.errors)")
  }

  @Test("a death costs the one call that ran, over every mechanism", .queues(8), arguments: WorkerPoolTests.mechanisms)
  func oneDeathOneCall(_ mechanism: Mechanism) throws {
    try run(mechanism.rawValue, "600", "16", Self.seed())
  }

  @Test(
    "calls that may be repeated all succeed, over every mechanism", .queues(8), arguments: WorkerPoolTests.mechanisms)
  func repeated(_ mechanism: Mechanism) throws {
    try run(mechanism.rawValue, "500", "16", Self.seed(), "retry")
  }

  @Test("no call is lost when the fork server is killed again and again")
  func forkServer() throws {
    try run("ring", "2000", "0", Self.seed(), "fork-servers=8")
    try run("ring", "1500", "20", Self.seed(), "fork-servers=6")
  }
}
