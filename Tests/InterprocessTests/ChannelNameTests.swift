import Interprocess
import TestSupport
import Testing

/// What others could find of a channel while both sides have it: `Tests/ForkedProcessHelper/ChannelNames.swift`.
@Suite(
  "The names that an open channel leaves", .blocking, .queues(2),
  .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
struct ChannelNameTests {
  @Test(
    "there are none, but for queues of System V, and a segment of System V is marked for removal",
    arguments: Mechanism.allCases, ["pair", "strangers"])
  func names(_ mechanism: Mechanism, _ form: String) throws {
    let run = try Isolated.run([Package.program("forked-process-helper"), "channel-names", mechanism.rawValue, form])
    let left: [String] =
      switch mechanism {
      // Both without a key: only their numbers are known, to whoever lists them.
      case .systemVMessageQueue: ["msg key 0 mode 600", "msg key 0 mode 600"]
      case .systemVSharedMemory: ["shm key 0 mode 1600"]
      default: []
      }
    #expect(run.output == left + ["100000 bytes", "exited with code 0"], "\(run.errors)")
    #expect(run.left == [])
  }
}
