import CLoops
import Interprocess

final class PipeLoop: Mechanism {
  static let name = "pipe"

  private let pipe: Pipe

  init() throws { pipe = try Pipe() }

  func runSwift(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      try pipe.writer.write(message)
      _ = try pipe.reader.read(into: &buffer)
    }
  }

  var peers: [(name: String, run: (Int) -> CInt)] {
    let (reader, writer) = (pipe.reader.descriptor.rawValue, pipe.writer.descriptor.rawValue)
    return [
      ("", { c_pipe(reader, writer, Message.message, Message.buffer, $0) }),
      (" (RWF_NOSIGNAL)", { c_pipe_without_signal(reader, writer, Message.message, Message.buffer, $0) }),
    ]
  }
}

final class SocketLoop: Mechanism {
  static let name = "Unix socket"

  private let pair: SocketPair

  init() throws { pair = try SocketPair() }

  func runSwift(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      try pair.first.write(message)
      _ = try pair.second.read(into: &buffer)
    }
  }

  var peers: [(name: String, run: (Int) -> CInt)] {
    let (first, second) = (pair.first.descriptor.rawValue, pair.second.descriptor.rawValue)
    return [("", { c_socket(first, second, Message.message, Message.buffer, $0) })]
  }
}
