import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// A server that comes where another one was.
@Suite("Taking over a dead server's path", .timeLimit(.minutes(2)), .blocking)
struct TakeoverTests {
  @Test("a dead path of packets and of datagrams is taken over, a live one's is not")
  func takeoverOfMessages() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    try leaveDeadSocket(at: path)
    let packets = try MessageListener(at: .path(path), replacingDeadServer: true)
    let client = try MessageSocket(connectingTo: .path(path), kind: .sequencedPacket, timeout: generous)
    try client.send([1])
    let packet = try packets.accept(timeout: generous).receive(upTo: 1, timeout: generous)
    #expect(packet?.bytes == [1])
    let alive = #expect(throws: InterprocessError.self) {
      _ = try MessageListener(at: .path(path), replacingDeadServer: true)
    }
    #expect(alive?.remedy == "a server is alive there; stop it first")

    let other = directory.path.appending("other")
    try leaveDeadSocket(at: other)
    let datagrams = try MessageSocket(boundTo: .path(other), replacingDeadServer: true)
    try MessageSocket().send([2], to: .path(other), timeout: generous)
    #expect(try datagrams.receive(upTo: 1, timeout: generous)?.bytes == [2])
    let bound = #expect(throws: InterprocessError.self) {
      _ = try MessageSocket(boundTo: .path(other), replacingDeadServer: true)
    }
    #expect(bound?.errno == .addressInUse)
  }

  @Test("a dead server's path is taken over, a live one's and an ordinary file are not")
  func takeover() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    try leaveDeadSocket(at: path)
    let live = try UnixListener(at: .path(path), replacingDeadServer: true)
    let client = try UnixSocket(connectingTo: .path(path), timeout: generous)
    let accepted = try live.accept(timeout: generous)
    try client.write([1])
    let byte = try accepted.read(upTo: 1, timeout: generous)
    #expect(byte == [1])
    let alive = #expect(throws: InterprocessError.self) {
      _ = try UnixListener(at: .path(path), replacingDeadServer: true)
    }
    #expect(alive?.remedy == "a server is alive there; stop it first")
    let other = #expect(throws: InterprocessError.self) {
      _ = try MessageListener(at: .path(path), replacingDeadServer: true)
    }
    #expect(other?.errno == .addressInUse)
    let file = try TemporaryFile()
    let ordinary = #expect(throws: InterprocessError.self) {
      _ = try UnixListener(at: .path(file.path), replacingDeadServer: true)
    }
    #expect(ordinary?.remedy == "this is no socket, and is not removed")
  }

  @Test("of servers that take over at once, one wins")
  func takeoverRace() throws {
    let directory = try TemporaryDirectory()
    for round in 0..<10 {
      let path = directory.path.appending("socket\(round)")
      try leaveDeadSocket(at: path)
      let racers = (0..<4).map { _ in
        Background { () -> CInt? in
          guard let listener = try? UnixListener(at: .path(path), replacingDeadServer: true) else { return nil }
          return fcntl(listener.descriptor.rawValue, F_DUPFD_CLOEXEC, 0)
        }
      }
      let winners = try racers.compactMap { try $0.value() }
      #expect(winners.count == 1)
      for winner in winners { close(winner) }
    }
  }

  @Test("a server that has bound its path and does not listen yet is alive, however long it takes")
  func slowServer() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let descriptor = try boundSocket(at: path)
    defer { close(descriptor) }
    for _ in 0..<2 {
      let error = #expect(throws: InterprocessError.self) {
        _ = try UnixListener(at: .path(path), replacingDeadServer: true)
      }
      #expect(error?.remedy == "a server has bound it, and does not listen yet; stop it first")
    }
    #expect(listen(descriptor, 1) == 0)
    let client = try UnixSocket(connectingTo: .path(path), timeout: generous)
    withExtendedLifetime(client.descriptor.rawValue) {}
  }

  @Test("tasks take over too")
  func takeoverByTasks() async throws {
    let directory = try TemporaryDirectory()
    func dead(_ name: String) throws -> UnixSocketAddress {
      let path = directory.path.appending(name)
      try leaveDeadSocket(at: path)
      return .path(path)
    }
    let streams = try await UnixListener(takingOver: dead("streams"))
    let stream = try await UnixSocket(connectingTo: streams.address, timeout: generous)
    let accepted = try await streams.accept(timeout: generous)
    try await stream.write([1])
    #expect(try await accepted.read(upTo: 1, timeout: generous) == [1])
    let address = streams.address
    let error = await #expect(throws: InterprocessError.self) { _ = try await UnixListener(takingOver: address) }
    #expect(error?.remedy == "a server is alive there; stop it first")

    let packets = try await MessageListener(takingOver: dead("packets"))
    let client = try await MessageSocket(connectingTo: packets.address, kind: .sequencedPacket, timeout: generous)
    withExtendedLifetime((packets.descriptor.rawValue, client.descriptor.rawValue)) {}
    let datagrams = try await MessageSocket(takingOver: dead("datagrams"))
    try await MessageSocket().send([2], to: .path(directory.path.appending("datagrams")), timeout: generous)
    #expect(try await datagrams.receive(upTo: 1, timeout: generous)?.bytes == [2])
    let channels = try await ChannelListener(takingOver: dead("channels"))
    let channel = try Channel(connectingTo: channels.address, timeout: generous)
    #expect(try await channels.accept(timeout: generous).mechanism == channel.mechanism)
  }

  @Test("a task that waits for others who take over is suspended, and goes on or is cancelled")
  func suspended() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let lock = OwnedDescriptor(adopting: open(directory.path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    #expect(flock(lock.rawValue, LOCK_EX) == 0)
    let cancelled = Task { _ = try await UnixListener(takingOver: .path(path)) }
    let patient = Task { _ = try await UnixListener(takingOver: .path(path)) }
    try await Task.sleep(for: .milliseconds(20))
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    #expect(flock(lock.rawValue, LOCK_UN) == 0)
    try await patient.value
  }

  /// What a dead server leaves.
  private func leaveDeadSocket(at path: FilePath) throws {
    close(try boundSocket(at: path))
    // Other tests start programs, which for a moment hold copies of all that is open here.
    let deadline = ContinuousClock.now + generous
    while try Command.run("/bin/grep", ["-qF", path.string, "/proc/net/unix"]).exitCode == 0 {
      try #require(ContinuousClock.now < deadline)
    }
  }

  /// A socket that has a path and does not listen.
  private func boundSocket(at path: FilePath) throws -> CInt {
    let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.string.utf8) }
    let result = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(result == 0)
    return descriptor
  }
}
