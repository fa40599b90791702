import Interprocess

/// What the two processes of a measurement speak over: numbers, both ways.
final class BenchLink {
  private var pair: SocketPair
  private var isFirst = true

  init() throws { pair = try SocketPair() }

  /// Keeps one end, in its process: so that it notices when the other one has gone.
  func keep(first: Bool) throws {
    isFirst = first
    if first { try pair.second.close() } else { try pair.first.close() }
  }

  /// In a process that has no part in it.
  func close() throws {
    try pair.first.close()
    try pair.second.close()
  }

  func send(_ numbers: [Int]) throws {
    if isFirst { try pair.first.write(numbers.span.bytes) } else { try pair.second.write(numbers.span.bytes) }
  }

  /// - Returns: `nil` when the other process has gone.
  func receive(_ count: Int) throws -> [Int]? {
    let bytes = isFirst ? try pair.first.read(exactly: 8 * count) : try pair.second.read(exactly: 8 * count)
    return bytes?.withUnsafeBytes { bytes in
      (0..<count).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int.self) }
    }
  }
}

/// What the measuring processes tell the one that prints: results, or why there are none.
final class BenchResults {
  enum Message {
    case result([Double])
    case failure(String)
  }

  private var pipe: Pipe
  private var pending: [UInt8] = []

  init() throws { pipe = try Pipe() }

  /// In the process that prints.
  func keepReader() throws { try pipe.writer.close() }

  /// In one that measures.
  func keepWriter() throws { try pipe.reader.close() }

  /// Sends it at once, so that the messages of two processes do not mingle: as many bytes as a pipe takes in one piece.
  func send(_ message: Message) throws {
    switch message {
    case .result(let numbers):
      let content = numbers.withUnsafeBytes { [UInt8]($0) }
      try pipe.writer.write(Self.head(content.count) + content)
    case .failure(let text):
      let content = text.utf8.prefix(1000)
      try pipe.writer.write(Self.head(-content.count) + content)
    }
  }

  private static func head(_ count: Int) -> [UInt8] { withUnsafeBytes(of: count) { [UInt8]($0) } }

  /// - Returns: `nil` when nobody is left who could send any.
  /// - Throws: a timeout.
  func receive(timeout: Duration) throws(InterprocessError) -> Message? {
    while true {
      if let message = takePending() { return message }
      let bytes = try pipe.reader.read(upTo: 4096, timeout: timeout)
      if bytes.isEmpty { return nil }
      pending += bytes
    }
  }

  private func takePending() -> Message? {
    guard pending.count >= 8 else { return nil }
    let head = pending.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
    let end = 8 + Int(head.magnitude)
    guard pending.count >= end else { return nil }
    let content = [UInt8](pending[8..<end])
    pending.removeFirst(end)
    if head < 0 { return .failure(String(decoding: content, as: UTF8.self)) }
    return .result(
      content.withUnsafeBytes { bytes in
        (0..<(content.count / 8)).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
      })
  }
}
