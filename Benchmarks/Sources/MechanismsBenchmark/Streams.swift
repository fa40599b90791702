import CLoops
import Interprocess

final class PipeLoop: Mechanism {
  static let name = "pipe"

  private let pipe: Pipe

  init() throws { pipe = try Pipe() }

  func runSwift(_ count: Int) throws { try passMessages(count, from: pipe.writer, to: pipe.reader) }

  var peers: [CPeer] {
    let (reader, writer) = (pipe.reader.descriptor.rawValue, pipe.writer.descriptor.rawValue)
    return [
      CPeer { c_pipe_without_signal(reader, writer, Message.message, Message.buffer, $0) },
      CPeer(name: "C's write()") { c_pipe(reader, writer, Message.message, Message.buffer, $0) },
    ]
  }
}

final class SocketLoop: Mechanism {
  static let name = "Unix socket"

  private let pair: SocketPair

  init() throws { pair = try SocketPair() }

  func runSwift(_ count: Int) throws { try passMessages(count, from: pair.first, to: pair.second) }

  var peers: [CPeer] {
    let (first, second) = (pair.first.descriptor.rawValue, pair.second.descriptor.rawValue)
    return [CPeer { c_socket(first, second, Message.message, Message.buffer, $0) }]
  }
}

/// Inlined, as a program has its loop where it knows the types.
@inline(__always)
private func passMessages<Writer: ByteWriter & ~Copyable, Reader: ByteReader & ~Copyable>(
  _ count: Int, from writer: borrowing Writer, to reader: borrowing Reader
) throws {
  try Message.times(count) { message, buffer in
    try writer.write(message)
    _ = try reader.read(into: &buffer)
  }
}
