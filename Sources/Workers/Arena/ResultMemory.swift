import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Where a worker puts a large array of numbers that is a call's result: memory of its own. The pool gets the descriptor,
/// copies the array out of it, and says so at its end; then it is used again.
final class ResultMemory: Sendable {
  private let block = Mutex<ResultBlock?>(nil)
  /// A longer result is refused, and not put here.
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var isHeld: Bool { block.withLock { $0 != nil } }

  /// Copies an array here, where it is large and of numbers, and there is memory.
  ///
  /// - Returns: how many bytes it has.
  func place<Value>(_ value: Value) -> Int? {
    guard MemoryLayout<Value>.size == MemoryLayout<UnsafeRawPointer>.size, let array = value as? any PlainArray else {
      return nil
    }
    return place(array)
  }

  private func place<Elements: PlainArray>(_ array: Elements) -> Int? {
    let count = array.plainByteCount
    guard Elements.isOfNumbers, count >= Arena.smallestArray, count <= limit else { return nil }
    return block.withLock { held in
      if held?.isReady(for: count) != true {
        // What was too small, or is still being read, goes before the next is made.
        held = nil
        held = ResultBlock(for: count)
      }
      guard let bytes = held?.bytes else { return nil }
      array.copyPlainBytes(to: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
      return count
    }
  }

  /// Gives the pool what was placed last; it is the pool's until that says that it has read it.
  func pass(_ body: (FileDescriptor) throws(InterprocessError) -> Void) throws(InterprocessError) {
    guard let block = block.withLock({ $0 }) else { return }
    block.giveAway()
    try body(block.descriptor)
  }

  /// Frees it: no call has needed it for a while.
  func release() { block.withLock { $0 = nil } }
}

/// Memory, and at its end a word by which the pool says that it has read it.
private final class ResultBlock: Sendable {
  static let markSize = MemoryLayout<UInt64>.size
  static let isRead: UInt64 = 1

  private let memory: AnonymousMemory

  init?(for byteCount: Int) {
    let size = Arena.size(for: byteCount) + Self.markSize
    guard let memory = try? AnonymousMemory(byteCount: size, label: "interprocess-result") else { return nil }
    self.memory = memory
    setMark(Self.isRead)
  }

  private var room: Int { memory.mapping.byteCount - Self.markSize }
  var descriptor: FileDescriptor { memory.descriptor.fileDescriptor }

  var bytes: UnsafeMutableRawBufferPointer {
    memory.mapping.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: $0[..<room]) }
  }

  /// Acquiring, though the other side of this is a system call: the pool has read what is written over now.
  func isReady(for byteCount: Int) -> Bool {
    let mark = try? memory.mapping.withAtomic(UInt64.self, at: room) { $0.load(ordering: .acquiring) }
    return mark == Self.isRead && Arena.isFit(room, for: byteCount)
  }

  func giveAway() { setMark(0) }

  private func setMark(_ mark: UInt64) {
    // The word is in its place: the room before it is a multiple of its size.
    try? memory.mapping.withAtomic(UInt64.self, at: room) { $0.store(mark, ordering: .releasing) }
  }
}

/// A large array that is a call's result, as the pool has it: in memory of a worker's, which is never mapped here, since
/// what is not sealed could be cut off under a reader.
final class LentResult: Sendable {
  private let descriptor: OwnedDescriptor
  private let memorySize: Int
  let byteCount: Int

  /// - Returns: `nil` when a worker that keeps to the protocol sends no such thing: more than is allowed, or than there is
  ///   memory behind.
  init?(_ arrived: ArrivedDescriptors, byteCount: UInt64, limit: Int) {
    guard let count = Int(exactly: byteCount), count <= limit, let descriptor = arrived.take(0) else { return nil }
    var status = stat()
    // Seals are what only memory has; a file could be slow, or a device.
    guard ci_get_seals(descriptor.rawValue) >= 0, fstat(descriptor.rawValue, &status) == 0,
      Int(status.st_blocks) >= count / 512
    else { return nil }
    self.descriptor = descriptor
    self.byteCount = count
    memorySize = Int(status.st_size)
  }

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

  deinit {
    // Where this fails, the worker takes other memory for its next result.
    withUnsafeBytes(of: ResultBlock.isRead) { mark in
      _ = pwrite(descriptor.rawValue, mark.baseAddress, mark.count, off_t(memorySize - mark.count))
    }
  }
}
