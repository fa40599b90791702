import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Where a worker puts a large array of numbers that is a call's result: memory of its own. The pool gets the descriptor,
/// copies the array out of it, and says so; then it is used again.
final class ResultMemory: Sendable {
  private struct State: ~Copyable, Emptiable {
    var memory: AnonymousMemory?
    /// The call whose result the pool may still be reading there.
    var reader: UInt64?
    var lastUse: Int64 = 0

    var isEmpty: Bool { memory == nil }
  }

  private static let longestRest: Int64 = 10_000_000_000

  private let state = Mutex(State())
  private let mark = FillMark()
  /// A longer result is refused, and not put here.
  private let limit: Int
  private let socket: MemorySocket

  init(limit: Int, _ socket: MemorySocket) {
    self.limit = limit
    self.socket = socket
  }

  /// Copies an array here, where it is large and of numbers, and there is memory.
  ///
  /// - Returns: how many bytes it has.
  func place<Value>(_ value: Value) -> Int? {
    plainArray(value).flatMap { place($0) }
  }

  private func place<Elements: PlainArray>(_ array: Elements) -> Int? {
    let count = array.plainByteCount
    guard Elements.isOfNumbers, count >= Arena.smallestArray, count <= limit else { return nil }
    return state.withLock(marking: mark) { state in
      if let reader = state.reader, socket.hasReleased(reader) { state.reader = nil }
      let room = state.memory?.mapping.byteCount ?? 0
      if state.reader != nil || !Arena.isFit(room, for: count) {
        // What does not fit, or is still being read, goes before the next is made.
        state.memory = nil
        state.reader = nil
        state.memory = try? AnonymousMemory(byteCount: Arena.size(for: count), label: "interprocess-result")
      }
      guard let bytes = state.memory?.mapping.withUnsafeBytes({ $0 }) else { return nil }
      array.copyPlainBytes(to: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
      state.lastUse = MonotonicTime.now
      return count
    }
  }

  /// Gives the pool what was placed last, as the result of a call.
  func pass(_ call: UInt64) throws(InterprocessError) {
    try state.withLock(marking: mark) { state throws(InterprocessError) in
      guard let descriptor = state.memory?.descriptor.fileDescriptor else { return }
      state.reader = call
      try socket.pass(descriptor, call: call)
    }
  }

  /// How long the memory may be kept without a use; `nil` where there is none. What is past that is freed.
  func rest() -> Duration? {
    if mark.isEmpty { return nil }
    return state.withLock(marking: mark) { state in
      let left = state.lastUse + Self.longestRest - MonotonicTime.now
      if left > 0 { return .nanoseconds(left) }
      state.memory = nil
      state.reader = nil
      return nil
    }
  }
}

/// A large array that is a call's result, as the pool has it: in memory of a worker's, which is never mapped here, since
/// what is not sealed could be cut off under a reader, and never written to, since that could wait for the worker.
final class LentResult: Sendable {
  private let descriptor: OwnedDescriptor
  let byteCount: Int
  /// Called when nobody needs the memory any more.
  private let release: @Sendable () -> Void

  /// - Returns: `nil` when a worker that keeps to the protocol sends no such thing: more than is allowed, or than there is
  ///   memory behind.
  init?(
    _ arrived: ArrivedDescriptors, byteCount: UInt64, limit: Int, release: @escaping @Sendable () -> Void
  ) {
    guard let count = Int(exactly: byteCount), count <= limit, let descriptor = arrived.take(0) else { return nil }
    var status = stat()
    // Seals are what only memory has; a file could be slow, or a device.
    guard ci_get_seals(descriptor.rawValue) >= 0, fstat(descriptor.rawValue, &status) == 0,
      Int(status.st_blocks) >= count / 512
    else { return nil }
    self.descriptor = descriptor
    self.byteCount = count
    self.release = release
  }

  deinit { release() }

  /// The array. It is copied once more for each that asks.
  func array<Elements: PlainArray>(_: Elements.Type) throws -> Elements {
    guard Elements.isOfNumbers else { throw FrameReader.Malformed() }
    return try Elements(byteCount: byteCount) { room in try read(into: room) }
  }

  private func read(into room: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < room.count {
      let count = pread(descriptor.rawValue, room.baseAddress.map { $0 + done }, room.count - done, off_t(done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FrameReader.Malformed() }
      done += count
    }
  }
}
