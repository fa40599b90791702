import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals of sockets", .blocking)
struct SocketRefusalTests {
  @Test("connecting")
  func connecting() throws {
    let directory = try TemporaryDirectory()
    let absent = UnixSocketAddress.path(directory.path.appending("absent"))
    let dead = UnixSocketAddress.path(directory.path.appending("dead"))
    do { _ = try UnixListener(at: dead) }
    let stream = UnixSocketAddress.path(directory.path.appending("stream"))
    let other = try UnixListener(at: stream)
    let alive = UnixSocketAddress.abstract(Unique.name())
    var listener = try UnixListener(at: alive, backlog: 0)
    func connect(_ address: UnixSocketAddress, _ timeout: Duration? = nil) throws {
      _ = try UnixSocket(connectingTo: address, timeout: timeout)
    }
    expectRefusal("connect", .noSuchFileOrDirectory, "nobody listens there; the server has to come first") {
      try connect(absent)
    }
    expectRefusal("connect", .connectionRefused, "its server is gone; start it again", afterClosing: true) {
      try connect(dead)
    }
    expectRefusal("connect", .protocolWrongTypeForSocket, "another kind of socket is there") {
      _ = try MessageSocket(connectingTo: stream, kind: .sequencedPacket)
    }
    let waiting = try UnixSocket(connectingTo: alive)
    expectRefusal("connect", .timedOut, "the server accepts too slowly, its backlog is full") {
      try connect(alive, .milliseconds(5))
    }
    _ = try listener.accept(timeout: generous)
    expectRefusal("accept", .timedOut, nil) { _ = try listener.accept(timeout: .milliseconds(5)) }
    try listener.close()
    expectRefusal("accept", .badFileDescriptor, nil) { _ = try listener.tryAccept() }
    _ = (waiting.descriptor.rawValue, other.descriptor.rawValue)
  }

  @Test("addresses")
  func addresses() throws {
    let long = String(repeating: "x", count: 108)
    let remedy = "an address has room for 107 bytes, this one has"
    expectRefusal("bind", .fileNameTooLong, remedy) { _ = try UnixListener(at: .abstract(long)) }
    expectRefusal("bind", .fileNameTooLong, remedy) { _ = try UnixListener(at: .path(FilePath("/tmp/" + long))) }
    expectRefusal("bind", .fileNameTooLong, remedy) { _ = try MessageListener(at: .abstract(long)) }
    expectRefusal("bind", .fileNameTooLong, remedy) { _ = try MessageSocket(boundTo: .abstract(long)) }
    expectRefusal("connect", .fileNameTooLong, remedy) { _ = try UnixSocket(connectingTo: .abstract(long)) }
    expectRefusal("sendmsg", .fileNameTooLong, remedy) { try MessageSocket().send([1], to: .abstract(long)) }
    expectRefusal("bind", .invalidArgument, "the address is empty") { _ = try UnixListener(at: .path("")) }
    expectRefusal("connect", .invalidArgument, "the address is empty") {
      _ = try UnixSocket(connectingTo: .abstract(""))
    }
    let exact = Unique.name() + String(repeating: "x", count: 107 - Unique.name().utf8.count)
    _ = try UnixListener(at: .abstract(String(exact.prefix(107))))
  }

  @Test("binding")
  func binding() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let listener = try UnixListener(at: .path(path))
    let remedy = "somebody is there, or a dead server left the path behind"
    expectRefusal("bind", .addressInUse, remedy) { _ = try UnixListener(at: .path(path)) }
    expectRefusal("bind", .addressInUse, remedy) { _ = try MessageListener(at: .path(path)) }
    expectRefusal("bind", .addressInUse, remedy) { _ = try MessageSocket(boundTo: .path(path)) }
    expectRefusal("bind", .addressInUse, "a server is alive there; stop it first") {
      _ = try UnixListener(at: .path(path), replacingDeadServer: true)
    }
    let file = try TemporaryFile()
    expectRefusal("bind", .addressInUse, "this is no socket, and is not removed") {
      _ = try UnixListener(at: .path(file.path), replacingDeadServer: true)
    }
    let missing = directory.path.appending("missing").appending("socket")
    expectRefusal("bind", .noSuchFileOrDirectory, "its directory does not exist") {
      _ = try UnixListener(at: .path(missing))
    }
    expectRefusal("open", .noSuchFileOrDirectory, "its directory does not exist") {
      _ = try UnixListener(at: .path(missing), replacingDeadServer: true)
    }
    expectRefusal("unlink", .noSuchFileOrDirectory, "there is no such path") { try UnixListener.unlink(missing) }
    _ = listener.descriptor.rawValue
  }

  @Test("streams")
  func streams() throws {
    var pair = try SocketPair()
    expectRefusal("recv", .timedOut, nil) { _ = try pair.first.read(upTo: 1, timeout: .milliseconds(5)) }
    expectRefusal("recv", .invalidArgument, "the buffer has no room") { _ = try pair.first.read(upTo: 0) }
    expectRefusal("recvmsg", .invalidArgument, "the buffer has no room") {
      var received = ReceivedDescriptors()
      _ = try pair.first.read(upTo: 0, receiving: &received)
    }
    expectRefusal("recvmsg", .timedOut, nil) {
      var received = ReceivedDescriptors()
      _ = try pair.first.read(upTo: 1, receiving: &received, timeout: .milliseconds(5))
    }
    expectRefusal("send", .timedOut, "bytes were written") {
      try pair.first.write([UInt8](repeating: 0, count: 1 << 24), timeout: .milliseconds(50))
    }
    expectRefusal("sendmsg", .invalidArgument, "descriptors travel with at least one byte") {
      try pair.first.write([], passing: [pair.first.fileDescriptor])
    }
    expectRefusal("sendmsg", .invalidArgument, "a message carries at most 253 descriptors, not 254") {
      try pair.first.write([1], passing: Array(repeating: pair.first.fileDescriptor, count: 254))
    }
    try pair.second.close()
    expectRefusal("send", .brokenPipe, "the other side has closed", afterClosing: true) { try pair.first.write([1]) }
    expectRefusal("sendmsg", .brokenPipe, "the other side has closed", afterClosing: true) {
      try pair.first.write([1], passing: [pair.first.fileDescriptor])
    }
  }

  @Test("messages")
  func messages() throws {
    let directory = try TemporaryDirectory()
    let absent = UnixSocketAddress.path(directory.path.appending("absent"))
    let dead = UnixSocketAddress.path(directory.path.appending("dead"))
    do { _ = try MessageSocket(boundTo: dead) }
    let lonely = try MessageSocket()
    expectRefusal("sendmsg", .socketNotConnected, "the socket is not connected; say whom to send it to") {
      try lonely.send([1])
    }
    expectRefusal("sendmsg", .noSuchFileOrDirectory, "nobody ever received there; the receiver has to come first") {
      try lonely.send([1], to: absent)
    }
    expectRefusal("sendmsg", .connectionRefused, "its receiver is gone; start it again", afterClosing: true) {
      try lonely.send([1], to: dead)
    }
    expectRefusal("getsockopt", .socketNotConnected, "nobody is at the other end") { _ = try lonely.peerCredentials() }
    expectRefusal("getsockopt", .noData, nil) { _ = try lonely.peerProcess() }

    var packets = try MessageSocket.pair(.sequencedPacket)
    expectRefusal("sendmsg", .messageTooLong, "does not fit into the send buffer; raise net.core.wmem_default (") {
      try packets.first.send([UInt8](repeating: 0, count: 1 << 24))
    }
    expectRefusal("sendmsg", .timedOut, nil) {
      for _ in 0..<100_000 { try packets.first.send([UInt8](repeating: 0, count: 1000), timeout: .milliseconds(5)) }
    }
    expectRefusal(
      "recvmsg", .messageTooLong, "the message had 1000 bytes, the buffer has room for 2, and the rest is lost"
    ) {
      _ = try packets.second.receive(upTo: 2)
    }
    try packets.second.close()
    // It has left messages unread, and is gone for good afterwards.
    expectRefusal("sendmsg", .connectionReset, "the other side has closed", afterClosing: true) {
      try packets.first.send([1])
    }
    expectRefusal("sendmsg", .brokenPipe, "the other side has closed", afterClosing: true) {
      try packets.first.send([1])
    }

    var others = try MessageSocket.pair(.sequencedPacket)
    try others.first.send([1])
    try others.second.close()
    expectRefusal("recvmsg", .connectionReset, nil) { _ = try others.first.receive(upTo: 1, timeout: generous) }
    let datagrams = try MessageSocket.pair(.datagram)
    expectRefusal("recvmsg", .timedOut, nil) { _ = try datagrams.first.receive(upTo: 1, timeout: .milliseconds(5)) }
  }
}

@Suite("Refusals of processes", .blocking)
struct ProcessRefusalTests {
  @Test("processes that are not there, or not ours")
  func handles() throws {
    expectRefusal("pidfd_open", .invalidArgument, nil) { _ = try ProcessHandle(of: 0) }
    expectRefusal("pidfd_open", .noSuchProcess, "it has ended, and been reaped") {
      // Above the largest pid_max.
      _ = try ProcessHandle(of: 1 << 23)
    }
    let me = try ProcessHandle(of: getpid())
    expectRefusal("pidfd poll", .timedOut, nil) { try me.wait(timeout: .milliseconds(5)) }
    expectRefusal("pidfd_send_signal", .invalidArgument, "there is no signal 1000") { try me.signal(1000) }
    expectRefusal("waitid", .noChildProcess, "only its parent learns how a process ended, and only once") {
      _ = try me.tryReap()
    }
    expectRefusal("waitid", .noChildProcess, "only its parent") { _ = try me.reap(timeout: .milliseconds(5)) }
  }
}
