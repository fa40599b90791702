import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Authentication", .blocking)
struct AuthenticationTests {
  private let key = Array("a secret".utf8)

  @Test("Python connects with the right key, and not with another one or none", arguments: ConnectionPeer.all)
  func pythonConnects(_ python: ConnectionPeer) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try ChannelListener(at: .path(path), authenticationKey: key)
    let wrong = python.start("client", path.string, "another secret")
    expectFailure("another authentication key") { try listener.accept(timeout: generous) }
    #expect(try wrong.value(timeout: generous) == ["AuthenticationError"])

    // The listener goes on.
    let right = python.start("client", path.string, "a secret")
    try exchange(listener.accept(timeout: generous))
    #expect(try right.value(timeout: generous) == ["1 messages"])
    try ChannelListener.unlink(path)
  }

  @Test("a channel connects to Python with the right key, and not with another one", arguments: ConnectionPeer.all)
  func pythonListens(_ python: ConnectionPeer) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = python.start("listener", path.string, "2", "a secret")
    expectFailure("refused this side's authentication key") {
      try connectWhenThere {
        try Channel(connectingTo: .path(path), authenticationKey: [1, 2, 3], timeout: generous)
      }
    }
    try exchange(Channel(connectingTo: .path(path), authenticationKey: key, timeout: generous))
    #expect(try listener.value(timeout: generous) == ["AuthenticationError", "1 messages"])
  }

  @Test("over every mechanism both sides need the same key, whichever of them asks", arguments: Mechanism.allCases)
  func mechanisms(_ mechanism: Mechanism) async throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try ChannelListener(at: address, offering: mechanism, authenticationKey: key)
    let clients = Background { [key] in
      expectFailure("refused this side's authentication key") {
        try Channel(connectingTo: address, over: mechanism, authenticationKey: [], timeout: generous)
      }
      let channel = try Channel(connectingTo: address, over: mechanism, authenticationKey: key, timeout: generous)
      try channel.send([7])
    }
    do {
      _ = try await listener.accept(timeout: generous)
      Issue.record("it was let in")
    } catch { #expect((error as? ChannelError)?.code == .authenticationFailed, "\(error)") }
    let channel = try await listener.accept(timeout: generous)
    #expect(try await channel.receive(timeout: generous) == [7])
    try clients.value()
  }

  @Test("a connection to somebody without a key times out, and takes no longer than it may")
  func nobodyAsks() async throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try ChannelListener(at: address)
    do {
      _ = try await Channel.connected(to: address, authenticationKey: key, timeout: .milliseconds(50))
      Issue.record("it connected")
    } catch { #expect((error as? ChannelError)?.isTimeout == true, "\(error)") }
    _ = listener.address
  }

  @Test("what is no handshake is refused, and the listener goes on")
  func nonsense() throws {
    let address = UnixSocketAddress.abstract(Unique.name())
    let listener = try ChannelListener(at: address, authenticationKey: key)
    let messages: [[UInt8]] = [
      [], Array(repeating: 0, count: 16), Array("{sha256}".utf8), Array("{md5}".utf8), Array("{nothing}".utf8),
      Array("#WELCOME#".utf8), Array(repeating: 123, count: 256), Array(repeating: 1, count: 1000),
    ]
    for message in messages {
      let socket = try UnixSocket(connectingTo: address)
      let stranger = try Channel(socket)
      try stranger.send(message)
      do {
        _ = try listener.accept(timeout: generous)
        Issue.record("it was let in")
      } catch {
        #expect([.authenticationFailed, .messageTooLarge].contains(error.code), "\(error)")
      }
    }
    let client = Background { [key] in
      try Channel(connectingTo: address, authenticationKey: key, timeout: generous).send([1])
    }
    #expect(try listener.accept(timeout: generous).receive(timeout: generous) == [1])
    try client.value()
  }

  private func exchange(_ channel: Channel) throws {
    try channel.send([1, 2, 3], timeout: generous)
    #expect(try channel.receive(timeout: generous) == [1, 2, 3])
  }
}

private func expectFailure(_ reason: String, _ body: () throws -> Channel) {
  do {
    _ = try body()
    Issue.record("the keys differ, and it was let in")
  } catch {
    #expect((error as? ChannelError)?.code == .authenticationFailed, "\(error)")
    #expect("\(error)".contains(reason), "\(error)")
  }
}
