import Glibc
package import Interprocess
public import Workers

/// A length that a hostile worker claims, with next to nothing behind it.
public struct Claim: Codable, Sendable, CustomStringConvertible {
  /// Where it says so.
  public enum Place: String, Codable, CaseIterable, Sendable {
    /// Of a message in a stream: 4 bytes; 4 bytes and 8; the number of its descriptors.
    case streamHead, longStreamHead, streamDescriptors
    /// Of a message in a queue; of its first piece.
    case queueMessage, queuePiece
    /// Of a message in a ring; of the record with its first piece; of all that was ever sent.
    case ringMessage, ringRecord, ringIndex
    /// Of a result in memory that comes with it; how many descriptors come.
    case lentResult, sharedResult
    /// Of an array, a text or bytes that are the result.
    case numbers, texts, text, bytes
    /// Of an error's text; how many elements of a chunk have failed.
    case errorText, failures
  }

  public let place: Place
  public let size: UInt64

  public var description: String { "\(place.rawValue) \(size)" }

  /// All that can be made by a channel.
  package static func all(over mechanism: Mechanism) -> [Claim] {
    let places: [Place] =
      switch mechanism {
      case .pipe, .namedPipe, .socketPair, .unixSocket: [.streamHead, .longStreamHead, .streamDescriptors]
      case .posixMessageQueue: [.queueMessage, .queuePiece]
      case .systemVMessageQueue: [.queueMessage]
      default: [.ringMessage, .ringRecord, .ringIndex]
      }
    // What is in a message does not depend on how it comes.
    let inMessages: [Place] = [
      .lentResult, .sharedResult, .numbers, .texts, .text, .bytes, .errorText, .failures,
    ]
    return (places + (mechanism == .ring ? inMessages : [])).flatMap { place in
      place.sizes.map { Claim(place: place, size: $0) }
    }
  }

  /// - Returns: never: the pool is to do something about it.
  func happen() -> Never {
    guard let context = WorkerContext.current else { _exit(1) }
    switch place {
    case .streamHead: ChannelObjects.write(Self.bigEndian(UInt32(size)))
    case .longStreamHead: ChannelObjects.write([255, 255, 255, 255] + Self.bigEndian(size))
    case .streamDescriptors:
      ChannelObjects.write([255, 255, 255, 254] + Self.bigEndian(UInt32(size)) + Self.bigEndian(UInt64(1) << 62))
    case .queueMessage: ChannelObjects.writePiece(total: size)
    case .queuePiece: ChannelObjects.writePiece(total: 1 << 20, count: UInt32(size))
    case .ringMessage: RingMemory()?.send(2 | size << 8)
    case .ringRecord: RingMemory()?.send(1, length: size)
    case .ringIndex: RingMemory()?.publish(size)
    case .lentResult:
      // Its size is true, and nothing is there.
      ChannelObjects.passMemory(
        Hostility.word(3) + Hostility.word(context.call), ChannelObjects.hollowMemory(Int(min(size, 1 << 40))))
      send(context, 22, Hostility.word(1) + Hostility.word(size))
    case .sharedResult: send(context, 21, Hostility.word(size))
    case .numbers, .texts: reply(context, 17, [0x9B] + Self.bigEndian(size))
    case .text: reply(context, 17, [0x7B] + Self.bigEndian(size) + Array("text".utf8))
    case .bytes: reply(context, 17, [0x5B] + Self.bigEndian(size) + [1, 2, 3])
    case .errorText: reply(context, 18, [0] + Hostility.word(size))
    case .failures: reply(context, 17, Hostility.word(size))
    }
    while true { pause() }
  }

  private func send(_ context: WorkerContext, _ kind: UInt8, _ content: [UInt8]) {
    try? context.send(Hostility.frame(kind, context.call) + content)
  }

  /// To the pool this is an answer, and the worker free: it is not to be given another call.
  private func reply(_ context: WorkerContext, _ kind: UInt8, _ content: [UInt8]) -> Never {
    send(context, kind, content)
    _exit(0)
  }

  private static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }
}

extension Claim.Place {
  fileprivate var sizes: [UInt64] {
    switch self {
    // 2 GB less 1, and what is negative and stands for nothing else.
    case .streamHead: [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFD]
    case .streamDescriptors: [1, 0xFFFF_FFFF]
    case .queuePiece: [0x7FFF_FFFF, 0xFFFF_FFFF]
    // It has 56 bits.
    case .ringMessage: [0x7FFF_FFFF, 1 << 32, 1 << 55, (1 << 56) - 1]
    // The greatest of all says that the ring goes on at its beginning.
    case .ringRecord: [0x7FFF_FFFF, 1 << 32, 1 << 62, 1 << 63]
    case .ringIndex: [1 << 32, 1 << 62, .max - 7, .max]
    default: [0x7FFF_FFFF, 1 << 32, 1 << 62, .max]
    }
  }
}

/// Says that more elements of a chunk have failed than it has.
public enum Overclaiming: WorkerFunction {
  public static func call(_ claim: Claim) -> Int { claim.happen() }
}
