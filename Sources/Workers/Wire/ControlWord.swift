/// What a pool and a worker tell each other beside their channel, whatever the worker is doing: 16 bytes, what it is and a
/// number.
enum ControlWord {
  /// The call's task is to be cancelled.
  case cancel(UInt64)
  /// A block of the arena. Its descriptor comes along.
  case block(UInt64)
  /// The block will not be used again.
  case drop(UInt64)
  /// A descriptor of a value in this call, or in its result: those of one call come in the order of their numbers. Each
  /// comes along with its word.
  case descriptor(UInt64)

  /// To the worker: the memory that this call's result lies in is not needed any more.
  case release(UInt64)

  static let byteCount = 16

  var bytes: [UInt8] {
    let (kind, number): (UInt64, UInt64) =
      switch self {
      case .cancel(let call): (0, call)
      case .block(let block): (1, block)
      case .drop(let block): (2, block)
      case .descriptor(let call): (3, call)
      case .release(let call): (4, call)
      }
    var bytes: [UInt8] = []
    bytes.append(littleEndian: kind)
    bytes.append(littleEndian: number)
    return bytes
  }

  /// Reads those that are there in full; what is left stays in `bytes`.
  static func takeAll(from bytes: inout [UInt8]) -> [ControlWord] {
    var words: [ControlWord] = []
    var reader = FrameReader(bytes, from: 0)
    while bytes.count - reader.position >= byteCount, let kind = try? reader.number(), let number = try? reader.number()
    {
      switch kind {
      case 0: words.append(.cancel(number))
      case 1: words.append(.block(number))
      case 2: words.append(.drop(number))
      case 3: words.append(.descriptor(number))
      default: words.append(.release(number))
      }
    }
    bytes.removeFirst(reader.position)
    return words
  }
}
