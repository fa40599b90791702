import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

@Suite("An error on its way to the caller")
struct WireErrorTests {
  private func travelled(_ error: any Error) throws -> any Error {
    var frame = Frame.begin(.error, 1)
    WireError.append(error, to: &frame)
    var reader = FrameReader(frame)
    return try WireError.read(&reader)
  }

  @Test("it arrives as itself where it is Codable and has a name, or is a cancellation")
  func whole() throws {
    #expect(try travelled(Refusal(why: "no")) as? Refusal == Refusal(why: "no"))
    #expect(try travelled(Generic(value: 7)) as? Generic<Int> == Generic(value: 7))
    #expect(try travelled(CancellationError()) is CancellationError)
  }

  struct Generic<Value: Codable & Equatable & Sendable>: Error, Codable, Equatable { var value: Value }
  private struct Hidden: Error, Codable { var why = "hidden" }

  @Test("else as its type's name and description: that of a type that nobody finds by name, too")
  func text() throws {
    struct Local: Error, Codable {}
    #expect((try travelled(Hidden()) as? RemoteError)?.message.contains("hidden") == true)
    #expect((try travelled(Local()) as? RemoteError)?.typeName.contains("Local") == true)
  }

  /// 40 arrays, each of pairs of what stands before it: 2^40 types, were they looked up.
  private static let expandingName: String = {
    var name = String(repeating: "Say", count: 40) + "Si_SitG"
    for level in 0..<39 {
      let index = level < 26 ? String(UnicodeScalar(UInt8(65 + level))) : level == 26 ? "_" : "\(level - 27)_"
      name += "_A\(index)tG"
    }
    return name
  }()

  @Test(
    "what a hostile worker sends for a name is looked up only if it can be one",
    arguments: [
      "", "Si", String(repeating: "Say", count: 1000) + "SiG", "\u{1}abcdV", "4Main5Thing.V", "Nowhere7NothingV",
      Self.expandingName, "4Main5ThingVyA3A_G", "4Main5ThingVyAaaaaAG", "4Main99ThingV", "0aV",
    ])
  func hostileNames(_ name: String) {
    var frame = Frame.begin(.error, 1)
    frame.append(1)
    frame.append(part: name)
    var reader = FrameReader(frame)
    #expect(throws: FrameReader.Malformed.self) { try WireError.read(&reader) }
  }
}
