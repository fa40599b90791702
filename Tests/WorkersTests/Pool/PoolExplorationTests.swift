import Glibc
import TestSupport
import Testing

@testable import Workers

@Suite(
  "Every order of events", .blocking,
  .enabled(if: getenv("INTERPROCESS_EXPLORE") != nil, "skipped: takes all processors; set INTERPROCESS_EXPLORE=1"))
struct PoolExplorationTests {
  @Test("nothing that may happen breaks a promise of the pool", arguments: Scenario.all)
  func explore(_ scenario: Scenario) throws {
    var explorer = PoolExplorer()
    let start = ContinuousClock.now
    try explorer.explore(scenario)
    let time = start.duration(to: .now)
    print("\(scenario.name): \(explorer.nodes.count) states, \(explorer.transitions) transitions, \(time)")
    #expect(explorer.nodes.count >= scenario.leastStates)
  }

  @Test("two states that differ are told apart")
  func fingerprint() {
    #expect(World.isFingerprintComplete)
  }
}
