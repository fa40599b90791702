import CInterprocess
import Glibc
import Interprocess
import Workers

/// What a hostile worker does to its pool.
public enum Hostility: String, Codable, CaseIterable, Sendable {
  /// A message of random bytes.
  case garbage
  case emptyMessage = "empty"
  /// The result of a call that was never made.
  case strangerReply = "stranger-reply"
  /// The result of its own call, again and again.
  case repeatedReply = "repeated-reply"
  /// A result that is none.
  case malformedResult = "malformed-result"
  /// An error that is none.
  case malformedError = "malformed-error"
  /// An error of a type that is no error, or has no end.
  case errorOfForeignType = "foreign-error"
  /// A report of a call that it does not run.
  case strangerReport = "stranger-report"
  /// Memory kept that it was never lent.
  case kept
  /// Ready once more.
  case ready
  /// Bytes that no channel writes, into the sockets, pipes and queues themselves.
  case rawGarbage = "raw-garbage"
  /// A length of a terabyte, and then nothing.
  case giantLength = "giant-length"
  /// Half of a message, and then nothing.
  case halfMessage = "half-message"
  /// The channel is closed, and the process lives.
  case closedChannel = "closed-channel"
  /// A result that lies in memory that comes with it, as large as a pool takes, with nothing behind it.
  case hollowResult = "hollow-result"
  /// The same, and what comes with it is no memory.
  case resultInFile = "result-in-file"
  /// Random words all over the memory that it shares with its pool.
  case scribbling

  /// - Parameters:
  ///   - context: of the call that does it.
  func happen(_ context: WorkerContext, _ random: inout SeededGenerator) {
    switch self {
    case .garbage: send(context, Self.bytes(Int.random(in: 0..<5000, using: &random), &random))
    case .emptyMessage: send(context, [])
    case .strangerReply: send(context, Self.frame(17, context.call &+ .random(in: 1 ... .max, using: &random)))
    case .repeatedReply: for _ in 0..<3 { send(context, Self.frame(17, context.call) + [1]) }
    case .malformedResult: send(context, Self.frame(17, context.call) + Self.bytes(40, &random))
    case .malformedError: send(context, Self.frame(18, context.call) + Self.bytes(60, &random))
    case .errorOfForeignType:
      let name =
        ["Si", "SaySiG", String(repeating: "Say", count: 30_000), "$s", ""].randomElement(using: &random) ?? ""
      send(
        context,
        Self.frame(18, context.call) + [1] + Self.word(UInt64(name.utf8.count)) + Array(name.utf8) + Self.word(1))
    case .strangerReport: send(context, Self.frame(19, context.call &+ 1))
    case .kept: for _ in 0..<10 { send(context, Self.frame(20, .random(in: 0 ... .max, using: &random))) }
    case .ready: send(context, Self.frame(16, 0))
    case .rawGarbage: ChannelObjects.write(Self.bytes(200, &random))
    case .giantLength: ChannelObjects.write(Self.giantHead)
    case .halfMessage: ChannelObjects.write(Self.halfOfMessage)
    case .closedChannel:
      ChannelObjects.closeAll()
      while true { pause() }
    case .hollowResult: sendResult(context, in: ChannelObjects.hollowMemory(Self.hollowSize))
    case .resultInFile: sendResult(context, in: OwnedDescriptor(adopting: open("/dev/zero", O_RDWR | O_CLOEXEC)))
    case .scribbling: ChannelObjects.scribble(&random)
    }
  }

  /// Less than this machine's memory, so that a pool takes messages of that size.
  private static let hollowSize = 512 << 20

  private func sendResult(_ context: WorkerContext, in descriptor: consuming OwnedDescriptor) {
    ChannelObjects.pass(Self.word(3) + Self.word(context.call), descriptor)
    send(context, Self.frame(22, context.call) + Self.word(1) + Self.word(UInt64(Self.hollowSize)))
  }

  private func send(_ context: WorkerContext, _ message: [UInt8]) { try? context.send(message) }

  static func bytes(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  static func word(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

  /// The head of a message to the pool: what it is, and of which call.
  static func frame(_ kind: UInt8, _ call: UInt64) -> [UInt8] { [kind] + word(call) }

  /// A stream's head with a length of a terabyte: -1 and 8 bytes, big-endian. To a queue, whose pieces begin with what
  /// they are, it is nonsense.
  private static let giantHead: [UInt8] = [255, 255, 255, 255] + word(1 << 40).reversed()
  /// A stream's head with a length of 1000 bytes, and 500 of them.
  private static let halfOfMessage: [UInt8] = [0, 0, 3, 232] + [UInt8](repeating: 17, count: 500)
}
