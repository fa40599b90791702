/// What is sent: message `number` has a length and bytes that both sides know, so that nothing lost, doubled, torn or
/// overwritten goes unnoticed.
struct RingMessage {
  private(set) var bytes: [UInt8]

  /// Other seeds have other sizes and bytes. Set before the fork.
  nonisolated(unsafe) static var seed: UInt64 = 0

  init(number: UInt64, atMost maximum: Int) {
    var random = SeededGenerator(seed: number ^ Self.seed)
    // Mostly small, sometimes anything up to the most.
    let limit = random.next() % 8 == 0 ? maximum : min(maximum, 64)
    let count = Int(random.next() % UInt64(limit + 1))
    bytes = []
    bytes.reserveCapacity(count)
    while bytes.count < count {
      withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0.prefix(count - bytes.count)) }
    }
  }
}
