import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

private let ipc = Package.program("ipc")

@Suite("ipc send and ipc receive, by sockets that keep messages apart", .blocking)
struct SocketMessagesTests {
  /// Runs `ipc send` or `receive` again for as long as the other side does not listen yet.
  private func runOnceThere(_ arguments: String...) throws -> Command {
    let deadline = ContinuousClock.now + generous
    while true {
      let run = try Command.run(ipc, arguments)
      let isEarly = run.errors.contains("nobody listens there") || run.errors.contains("its server is gone")
      if !isEarly || ContinuousClock.now > deadline { return run }
      usleep(10_000)
    }
  }

  private func waitForSocket(at path: FilePath) throws {
    var status = stat()
    try wait { stat(path.string, &status) == 0 }
  }

  @Test("ipc receives what ipc sends, message by message", arguments: ["datagram", "sequenced-packet"])
  func bothWays(type: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let address = "unix-socket:\(path)"
    let receiver = Background {
      try Command.run(
        ipc, ["receive", address, "--create", "--socket-type", type, "--count", "3", "--timeout", "10"])
    }
    try waitForSocket(at: path)
    let sent = try Command.run("/bin/sh", ["-c", "printf 'one\\ntwo\\nthree' | \(ipc) send \(address) --format lines"])
    #expect(sent.exitCode == 0, "\(sent.errors)")
    let received = try receiver.value()
    #expect(received.lines == ["one", "two", "three"], "\(received.errors)")
    var status = stat()
    let isThere = stat(path.string, &status) == 0
    #expect(!isThere)
  }

  @Test("a whole file is one message, and the socket's type is found out", arguments: SocketKind.allCases)
  func wholeMessage(kind: SocketKind) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let large = 100_000
    let command = "head -c \(large) /dev/zero | \(ipc) send unix-socket:\(path) --timeout 10"
    switch kind {
    case .datagram:
      let receiver = try MessageSocket(boundTo: .path(path))
      #expect(try Command.run("/bin/sh", ["-c", command]).exitCode == 0)
      let message = try receiver.receive(upTo: 1 << 20, timeout: generous)
      #expect(message?.bytes.count == large)
    case .sequencedPacket:
      let listener = try MessageListener(at: .path(path))
      #expect(try Command.run("/bin/sh", ["-c", command]).exitCode == 0)
      let client = try listener.accept(timeout: generous)
      let message = try client.receive(upTo: 1 << 20, timeout: generous)
      let end = try client.receive(upTo: 1, timeout: generous)
      #expect(message?.bytes.count == large)
      #expect(end == nil)
    }
  }

  enum SocketKind: CaseIterable {
    case datagram
    case sequencedPacket
  }

  @Test("without --count it takes one datagram; with 0, all that come until the timeout")
  func datagramCount() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let arguments = ["receive", "unix-socket:\(path)", "--create", "--socket-type", "datagram"]
    for (count, expected) in [([], ["first"]), (["--count", "0"], ["first", "second"])] {
      let receiver = Background { try Command.run(ipc, arguments + count + ["--timeout", count.isEmpty ? "10" : "1"]) }
      try waitForSocket(at: path)
      let sender = try MessageSocket()
      for text in expected { try sender.send(Array(text.utf8), to: .path(path), timeout: generous) }
      let received = try receiver.value()
      #expect(received.exitCode == 0 && received.lines == expected, "\(received.errors)")
    }
  }

  @Test("a signal ends the wait for datagrams, and takes the path away")
  func interrupted() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let arguments = ["receive", "unix-socket:\(path)", "--create", "--socket-type", "datagram"]
    let run = try Command.run(ipc, arguments) { process in
      try waitForSocket(at: path)
      kill(process, SIGTERM)
    }
    #expect(run.exitCode == 128 + SIGTERM)
    var status = stat()
    let isThere = stat(path.string, &status) == 0
    #expect(!isThere)
  }

  @Test("the error about a path that a killed receiver left says how to remove it, and a live one's stays")
  func deadReceiver() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let arguments = ["receive", "unix-socket:\(path)", "--create", "--timeout", "20"]
    let remedy = ["rm", "unix-socket:\(path)"]
    let killed = try Command.run(ipc, arguments) { process in
      try waitForSocket(at: path)
      let refused = try Command.run(ipc, arguments)
      #expect(refused.exitCode == 1 && refused.errors.contains("ipc " + remedy.joined(separator: " ")))
      let kept = try Command.run(ipc, remedy)
      #expect(kept.exitCode == 1 && kept.errors.contains("process \(process) (ipc) holds it"))
      kill(process, SIGKILL)
    }
    #expect(killed.exitCode == 128 + SIGKILL)
    let refused = try Command.run(ipc, arguments)
    #expect(refused.exitCode == 1 && refused.errors.contains("ipc " + remedy.joined(separator: " ")))
    #expect(try Command.run(ipc, remedy).exitCode == 0)
    let receiver = Background { try Command.run(ipc, arguments) }
    let sent = try runOnceThere("send", "unix-socket:\(path)", "after all", "--timeout", "10")
    #expect(sent.exitCode == 0, "\(sent.errors)")
    #expect(try receiver.value().lines == ["after all"])
  }

  @Test("nohup holds to the end: a hang-up that is ignored at the start is ignored while it receives")
  func nohup() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let command = "trap '' HUP; exec \(ipc) receive unix-socket:\(path) --create --timeout 20"
    let run = try Command.run("/bin/sh", ["-c", command]) { process in
      try waitForSocket(at: path)
      let client = try UnixSocket(connectingTo: .path(path), timeout: generous)
      // Once the client has come the path goes, and signals are no longer caught.
      var status = stat()
      try wait { stat(path.string, &status) == -1 }
      usleep(50_000)
      kill(process, SIGHUP)
      try client.write(Array("here".utf8), timeout: generous)
    }
    #expect(run.exitCode == 0 && run.lines == ["here"], "\(run)")
  }

  @Test("datagrams of somebody else's cannot be received, and a wrong --socket-type is refused")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let owner = try MessageSocket(boundTo: .path(path))
    let receive = try Command.run(ipc, ["receive", "unix-socket:\(path)"])
    #expect(receive.exitCode != 0 && receive.errors.contains("receive at a path of your own"), "\(receive.errors)")
    let send = try Command.run(ipc, ["send", "unix-socket:\(path)", "x", "--socket-type", "stream"])
    #expect(send.exitCode == 1 && send.errors.contains("another kind of socket is there"), "\(send.errors)")
    withExtendedLifetime(owner.descriptor.rawValue) {}
  }

  @Test("Python sends and receives datagrams", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func pythonDatagrams() throws {
    let directory = try TemporaryDirectory()
    let (here, there) = (directory.path.appending("here"), directory.path.appending("there"))
    let receiving = PythonPeer.start("datagram-receive", there.string, "2")
    try waitForSocket(at: there)
    let sent = try runOnceThere("send", "unix-socket:\(there)", "to Python", "--count", "2")
    #expect(sent.exitCode == 0, "\(sent.errors)")
    #expect(try receiving.value() == "to Python\nto Python")
    let receiver = Background {
      try Command.run(
        ipc, ["receive", "unix-socket:\(here)", "--create", "--socket-type", "datagram", "--timeout", "10"])
    }
    _ = try PythonPeer.run("datagram-send", here.string, "from Python")
    #expect(try receiver.value().lines == ["from Python"])
  }

  @Test("Python sends and receives packets", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func pythonPackets() throws {
    let directory = try TemporaryDirectory()
    let names = (0..<4).map { directory.path.appending("socket\($0)") }
    let receiving = PythonPeer.start("packets-receive", names[0].string)
    let sent = try runOnceThere("send", "unix-socket:\(names[0])", "packet", "--count", "2")
    #expect(sent.exitCode == 0, "\(sent.errors)")
    #expect(try receiving.value() == "packet\npacket")

    let offering = PythonPeer.start("packets-offer", names[1].string, "one", "two")
    let received = try runOnceThere("receive", "unix-socket:\(names[1])", "--timeout", "10")
    #expect(received.exitCode == 0 && received.lines == ["one", "two"], "\(received.errors)")
    _ = try offering.value()

    let options = ["--create", "--socket-type", "sequenced-packet", "--timeout", "10"]
    let serving = Background { try Command.run(ipc, ["receive", "unix-socket:\(names[2])"] + options) }
    _ = try PythonPeer.run("packets-send", names[2].string, "three", "four")
    #expect(try serving.value().lines == ["three", "four"])

    let answering = Background { try Command.run(ipc, ["send", "unix-socket:\(names[3])", "five"] + options) }
    #expect(try PythonPeer.run("packets-take", names[3].string) == "five")
    #expect(try answering.value().exitCode == 0)
  }
}
