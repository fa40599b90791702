import Interprocess

/// A call as it is sent, and what its arguments have beside it.
struct CallFrame: Sendable {
  var bytes: [UInt8]
  private var argumentsStart = 0
  private var large: [LargeArgument] = []
  /// The descriptors of shared arrays.
  private(set) var passed: PassedDescriptors?

  /// One without anything beside it.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  init(
    _ head: consuming [UInt8], _ arguments: [UInt8], _ large: [LargeArgument] = [], _ passed: PassedDescriptors? = nil
  ) {
    argumentsStart = head.count
    head += arguments
    bytes = head
    self.large = large
    if let passed, passed.count > 0 { self.passed = passed }
  }

  /// Whether copying its arguments takes a while.
  var isLarge: Bool { !large.isEmpty }

  /// Whether there is memory that its worker needs for it.
  var hasMemory: Bool { isLarge || passed != nil }

  /// What its large arrays have in the arena.
  var leases: [ArenaLease] { large.compactMap(\.lease) }

  /// The bytes to send of one that is large, once its arrays are where the worker finds them.
  ///
  /// - Throws: what an array's elements throw when they are encoded, where there is no memory for it.
  func bytes(placing arena: Arena?) throws -> [UInt8] {
    var filled = bytes
    // From the end, as a place may become longer.
    for array in large.reversed() { try array.fill(&filled, from: argumentsStart, in: arena) }
    return filled
  }
}
