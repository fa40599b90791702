import Interprocess

/// Bytes that look like those of a channel here and there.
func nonsense(_ mechanism: Mechanism, _ random: inout SeededGenerator) -> [UInt8] {
  let size = Int.random(in: 0..<(Int.random(in: 0..<8, using: &random) == 0 ? 5000 : 24), using: &random)
  let body = (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  let lengths: [UInt64] = [
    0, 1, UInt64(size), UInt64(size) + 1, 9000, 1 << 31, 1 << 32, 1 << 40, 1 << 62, UInt64(Int.max), .max, 0xFFFF_FFFF,
  ]
  let length = lengths.randomElement(using: &random) ?? 0
  switch mechanism {
  case .posixMessageQueue: return queueNonsense(length, body, &random)
  case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring:
    return ringNonsense(length, body, &random)
  case .file: return fileNonsense(length, &random)
  case .systemVMessageQueue: return (Bool.random(using: &random) ? bigEndian(length, 8).reversed() : []) + body
  default: return streamNonsense(length, body, &random)
  }
}

private func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
  (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
}

/// A piece is as long as the queue's messages can be, and ends with what it is; what is a little shorter is nothing.
private func queueNonsense(_ length: UInt64, _ body: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
  if Int.random(in: 0..<4, using: &random) == 0 { return body }
  let kinds: [UInt64] = [0, 1, 2, 2, 3, 3, 4, 5, 256, 0xFFFF_FFFF]
  let counts: [UInt64] = [0, 1, 100, 8175, 8176, 8177, 8192, 0xFFFF_FFFF]
  let tail =
    bigEndian(kinds.randomElement(using: &random) ?? 0, 4).reversed()
    + bigEndian(counts.randomElement(using: &random) ?? 0, 4).reversed() + bigEndian(length, 8).reversed()
  let missing = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 0..<16, using: &random) : 0
  return [UInt8](repeating: 9, count: 8192 - 16 - missing) + tail
}

private func streamNonsense(_ length: UInt64, _ body: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
  let size = UInt64(body.count)
  return switch Int.random(in: 0..<6, using: &random) {
  case 0: bigEndian(size, 4) + body
  case 1: bigEndian(length, 4) + body
  case 2: bigEndian(0xFFFF_FFFF, 4) + bigEndian(length, 8) + body
  case 3:
    bigEndian(0xFFFF_FFFE, 4) + bigEndian(.random(in: 0..<300, using: &random), 4) + bigEndian(length, 8) + body
  case 4: bigEndian(0xFFFF_FFFE, 4) + bigEndian(1, 4) + bigEndian(size, 8) + body
  default: body
  }
}

/// What looks like the place of a piece: its head, where it begins and how long it is.
private func fileNonsense(_ length: UInt64, _ random: inout SeededGenerator) -> [UInt8] {
  let counts: [UInt64] = [0, 1, 100, 4096, 1 << 19, 1 << 19 + 1, 1 << 20, length]
  let offsets: [UInt64] = [0, 64, 4096, 1 << 20 - 100, 1 << 20 - 1, 1 << 20, .max, length]
  let count = counts.randomElement(using: &random) ?? 0
  let isRight = Int.random(in: 0..<3, using: &random) == 0
  let head = isRight ? 1 | count << 8 : UInt64.random(in: 0..<6, using: &random) | length << 8
  let words = [head, offsets.randomElement(using: &random) ?? 0, count]
  let missing = Int.random(in: 0..<8, using: &random) == 0 ? Int.random(in: 1..<24, using: &random) : 0
  return words.flatMap { bigEndian($0, 8).reversed() }.dropLast(missing)
}

/// What looks like the head of a piece here and there, and some bytes.
private func ringNonsense(_ length: UInt64, _ body: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
  let isRight = Int.random(in: 0..<3, using: &random) == 0
  let head =
    isRight ? 1 | UInt64(body.count) << 8 : UInt64.random(in: 0..<6, using: &random) | length << 8
  return withUnsafeBytes(of: head.littleEndian) { Array($0) } + body
}
