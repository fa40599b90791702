import Glibc
import Interprocess
import SystemPackage
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

  @Test("says of how many objects a channel is made", arguments: Mechanism.allCases)
  func objects(_ mechanism: Mechanism) throws {
    var pair = try Channel.pair(over: mechanism)
    let first = try pair.takeFirst()
    let second = try pair.takeSecond()
    let made = try Set((first.fileDescriptors + second.fileDescriptors).map(object))
    // Two sockets are a pair here.
    let pairs = made.count { $0.hasPrefix("socket") } / 2
    let others = made.count { !$0.hasPrefix("socket") }
    // The ids of System V objects stand in the description, behind how many they are.
    #expect(pairs + others + Int(first.description[2]) == mechanism.objectsPerChannel, "\(made)")
  }

  /// What is the same for two descriptors of the same object.
  private func object(_ descriptor: FileDescriptor) throws -> String {
    var status = stat()
    #expect(fstat(descriptor.rawValue, &status) == 0)
    if status.st_mode & S_IFMT == S_IFSOCK { return "socket \(status.st_ino)" }
    let facts = try Command.run("/bin/cat", ["/proc/\(getpid())/fdinfo/\(descriptor.rawValue)"]).lines
    return facts.first { $0.hasPrefix("eventfd-id") } ?? "\(status.st_dev) \(status.st_ino)"
  }
}
