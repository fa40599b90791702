/// What a chunk that is being put together may still take: so many inputs, and of large arrays not many, for a block of
/// the arena costs a descriptor on each side, and memory. The one that fills it is taken whole.
struct ChunkLoad<Input> {
  private static var mostBlocks: Int { 16 }
  private static var mostBytes: Int { 32 << 20 }

  private(set) var left: Int
  private var blocks = 0
  private var bytes = 0
  private let hasArrays = Input.self is any PlainArray.Type

  init(atMost count: Int) { left = count }

  var isFull: Bool { left <= 0 || blocks >= Self.mostBlocks || bytes >= Self.mostBytes }

  mutating func add(_ input: Input) {
    left -= 1
    guard hasArrays, let size = (input as? any PlainArray)?.plainByteCount, size >= Arena.smallestArray else { return }
    blocks += 1
    bytes += size
  }

  /// How many of these make a chunk.
  static func count(of inputs: ArraySlice<Input>) -> Int {
    var load = ChunkLoad(atMost: inputs.count)
    guard load.hasArrays else { return inputs.count }
    for input in inputs where !load.isFull { load.add(input) }
    return inputs.count - load.left
  }
}
