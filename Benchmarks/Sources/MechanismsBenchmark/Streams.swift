import BenchmarkSupport
import CLoops
import Glibc
import Interprocess
import SystemPackage

final class PipeLoop: Mechanism {
  static let name = "pipe"

  private let pipe: Pipe

  init() throws { pipe = try Pipe() }

  func runSwift(_ count: Int) throws { try passMessages(count, from: pipe.writer, to: pipe.reader) }

  func runTrying(_ count: Int) throws { try passTrying(count, from: pipe.writer, to: pipe.reader) }
  func runSuspending(_ count: Int) async throws { try await passSuspending(count, from: pipe.writer, to: pipe.reader) }

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

  func runTrying(_ count: Int) throws { try passTrying(count, from: pair.first, to: pair.second) }
  func runSuspending(_ count: Int) async throws { try await passSuspending(count, from: pair.first, to: pair.second) }

  var peers: [CPeer] {
    let (first, second) = (pair.first.descriptor.rawValue, pair.second.descriptor.rawValue)
    return [CPeer { c_socket(first, second, Message.message, Message.buffer, $0) }]
  }
}

final class NamedPipeLoop: Mechanism {
  static let name = "named pipe"

  private let directory: TemporaryDirectory
  private let reader: NamedPipe.Reader
  private let writer: NamedPipe.Writer

  init() throws {
    directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    // Opening one end waits for the other.
    let both = OwnedDescriptor(adopting: open(path.string, O_RDWR | O_CLOEXEC))
    reader = try NamedPipe.Reader(opening: path)
    writer = try NamedPipe.Writer(opening: path)
    _ = both.rawValue
  }

  func runSwift(_ count: Int) throws { try passMessages(count, from: writer, to: reader) }

  func runTrying(_ count: Int) throws { try passTrying(count, from: writer, to: reader) }
  func runSuspending(_ count: Int) async throws { try await passSuspending(count, from: writer, to: reader) }

  var peers: [CPeer] {
    let (reader, writer) = (reader.descriptor.rawValue, writer.descriptor.rawValue)
    return [CPeer { c_pipe_without_signal(reader, writer, Message.message, Message.buffer, $0) }]
  }
}

final class PacketLoop: Mechanism {
  static let name = "packets"

  private let first: MessageSocket
  private let second: MessageSocket

  init() throws {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw Failure("socketpair: \(String(cString: strerror(errno)))")
    }
    first = MessageSocket(adopting: OwnedDescriptor(adopting: ends[0]), kind: .sequencedPacket)
    second = MessageSocket(adopting: OwnedDescriptor(adopting: ends[1]), kind: .sequencedPacket)
  }

  func runSwift(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      try first.send(message)
      _ = try second.receive(into: &buffer)
    }
  }

  func runTrying(_ count: Int) throws {
    try Message.times(count) { message, buffer in
      _ = try first.trySend(message)
      _ = try second.receive(into: &buffer, timeout: .zero)
    }
  }

  func runSuspending(_ count: Int) async throws {
    try await Message.times(count) { message, buffer in
      try await first.send(message)
      _ = try await second.receive(into: &buffer)
    }
  }

  var peers: [CPeer] {
    let (first, second) = (first.descriptor.rawValue, second.descriptor.rawValue)
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

private func passTrying<Writer: ByteWriter & ~Copyable, Reader: ByteReader & ~Copyable>(
  _ count: Int, from writer: borrowing Writer, to reader: borrowing Reader
) throws {
  try Message.times(count) { message, buffer in
    _ = try writer.tryWrite(message)
    _ = try reader.tryRead(into: &buffer)
  }
}

private func passSuspending<Writer: ByteWriter & ~Copyable, Reader: ByteReader & ~Copyable>(
  _ count: Int, from writer: borrowing Writer, to reader: borrowing Reader
) async throws {
  try await Message.times(count) { message, buffer in
    try await writer.write(message)
    _ = try await reader.read(into: &buffer)
  }
}
