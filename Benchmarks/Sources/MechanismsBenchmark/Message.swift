import BenchmarkSupport
import CLoops

/// What is sent: 64 bytes.
enum Message {
  static let byteCount = Int(c_message_bytes)
  static let bytes = [UInt8](repeating: 7, count: byteCount)

  /// Does something to a message and a buffer, `count` times. The buffer is full after each time and empty before the
  /// next.
  @inline(__always)
  static func times(_ count: Int, _ body: (RawSpan, inout OutputRawSpan) throws -> Void) throws {
    let message = bytes.span.bytes
    try withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 16) { storage in
      var buffer = OutputRawSpan(buffer: storage, initializedCount: 0)
      for _ in 0..<count {
        try body(message, &buffer)
        guard buffer.byteCount == byteCount else { throw Failure("\(buffer.byteCount) bytes came") }
        buffer.removeAll()
      }
      _ = buffer.finalize(for: storage)
    }
  }
}
