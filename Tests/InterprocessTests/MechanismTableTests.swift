import Interprocess
import TestSupport
import Testing

@Suite("The table of mechanisms in the documentation")
struct MechanismTableTests {
  @Test("says what Mechanism says", arguments: Mechanism.allCases)
  func row(_ mechanism: Mechanism) throws {
    let article = try Command.run(
      "/bin/cat", ["\(Package.root)/Sources/Interprocess/Interprocess.docc/ChannelsOverAnyMechanism.md"])
    let row = try #require(article.lines.first { $0.hasPrefix("| `\(mechanism)` |") })
    func word(_ value: Bool) -> String { value ? "yes" : "no" }
    let facts = [
      "`\(mechanism)`", word(mechanism.isTwoWay), word(mechanism.carriesDescriptors), word(mechanism.isNamed),
      word(mechanism.keepsMessageBoundaries), mechanism.largestMessage.map(String.init) ?? "any",
      word(mechanism.isReadableByOtherLanguages), "\(mechanism.objectsPerChannel)",
    ]
    #expect(row == "| \(facts.joined(separator: " | ")) |")
  }
}
