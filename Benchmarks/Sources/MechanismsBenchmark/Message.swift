import BenchmarkSupport
import CLoops

/// What is sent, and where it comes back to: 64 bytes each, in a cache line of its own. C is given the same.
enum Message {
  static let byteCount = Int(c_message_bytes)

  // Unsafe: written once, before anything is measured, and then by one loop at a time.
  nonisolated(unsafe) static let message = memory(filledWith: 7)
  nonisolated(unsafe) static let buffer = memory(filledWith: 0)

  private static func memory(filledWith byte: UInt8) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
    return memory
  }

  /// The same in a task.
  static func times(
    _ count: Int, _ body: nonisolated(nonsending) (RawSpan, inout OutputRawSpan) async throws -> Void
  ) async throws {
    let bytes = UnsafeRawBufferPointer(start: message, count: byteCount)
    let storage = UnsafeMutableRawBufferPointer(start: buffer, count: byteCount)
    for _ in 0..<count {
      var buffer = OutputRawSpan(buffer: storage, initializedCount: 0)
      try await body(bytes.bytes, &buffer)
      guard buffer.byteCount == byteCount else { throw Failure("\(buffer.byteCount) bytes came") }
      _ = buffer.finalize(for: storage)
    }
  }

  /// Does something to the message and the buffer, `count` times. The buffer is full after each time and empty before
  /// the next.
  @inline(__always)
  static func times(_ count: Int, _ body: (RawSpan, inout OutputRawSpan) throws -> Void) throws {
    let bytes = UnsafeRawBufferPointer(start: message, count: byteCount)
    let storage = UnsafeMutableRawBufferPointer(start: buffer, count: byteCount)
    var buffer = OutputRawSpan(buffer: storage, initializedCount: 0)
    for _ in 0..<count {
      try body(bytes.bytes, &buffer)
      guard buffer.byteCount == byteCount else { throw Failure("\(buffer.byteCount) bytes came") }
      buffer.removeAll()
    }
    _ = buffer.finalize(for: storage)
  }
}
