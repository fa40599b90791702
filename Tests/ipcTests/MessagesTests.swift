import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

private let ipc = Package.program("ipc")

@Suite("ipc send and ipc receive", .blocking, .queues())
struct MessagesTests {
  /// Gives standard input through a shell, as a user would.
  private func shell(_ line: String) throws -> Command { try Command.run("/bin/sh", ["-c", line]) }

  @Test("a POSIX queue takes a text, and gives it back by priority")
  func posixQueue() throws {
    let address = "posix-message-queue:\(Unique.name())"
    defer { try? POSIXMessageQueue.unlink(String(address.dropFirst("posix-message-queue:".count))) }
    #expect(try Command.run(ipc, ["send", address, "low", "--create"]).exitCode == 0)
    #expect(try Command.run(ipc, ["send", address, "00 ff", "--format", "hex", "--priority", "5"]).exitCode == 0)
    #expect(try Command.run(ipc, ["receive", address, "--format", "hex"]).output == "00ff\n")
    #expect(try Command.run(ipc, ["receive", address, "--format", "raw"]).output == "low")
    let empty = try Command.run(ipc, ["receive", address, "--timeout", "0.01"])
    #expect(empty.exitCode == 1 && empty.errors.contains("mq_receive(") && empty.errors.contains("timed out"))
  }

  @Test("lines become messages of a type, and all that come are received")
  func systemVQueue() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let address = "system-v-message-queue:\(key)"
    let sent = try shell("printf 'one\\ntwo\\nthree' | \(ipc) send \(address) --type 4 --format lines --create")
    #expect(sent.exitCode == 0)
    let queue = try SystemVMessageQueue(opening: key)
    defer { try? queue.remove() }
    let byNumber = "system-v-message-queue:id=\(queue.id)"
    #expect(try Command.run(ipc, ["receive", byNumber, "--type", "4"]).lines == ["one"])
    #expect(try Command.run(ipc, ["receive", address, "--count", "0", "--timeout", "0.01"]).lines == ["two", "three"])
    #expect(try Command.run(ipc, ["send", address, "x", "--count", "3"]).exitCode == 0)
    #expect(try Command.run(ipc, ["receive", address, "--type=-1", "--count", "3"]).lines == ["x", "x", "x"])
  }

  @Test("a FIFO and a socket carry a stream, byte for byte", arguments: ["named-pipe", "unix-socket"])
  func stream(kind: String) throws {
    let directory = try TemporaryDirectory()
    let address = "\(kind):\(directory.path.appending("stream"))"
    let receiver = Background { try Command.run(ipc, ["receive", address, "--create", "--timeout", "10"]) }
    var status = stat()
    for _ in 0..<5000 where stat(directory.path.appending("stream").string, &status) == -1 { usleep(1000) }
    let sent = try shell("seq 20000 | \(ipc) send \(address) --timeout 10")
    #expect(sent.exitCode == 0, "\(sent.errors)")
    #expect(try receiver.value().lines == (1...20000).map(String.init))
  }

  @Test("lines that are wanted are taken from a FIFO, and what follows stays; an unfinished one is printed")
  func linesOfFIFO() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let kept = try NamedPipe.Reader(opening: path, keepingOpen: true)
    try NamedPipe.Writer(opening: path).write(Array("one\ntwo\nthree\nfo".utf8))
    let two = try Command.run(ipc, ["receive", "named-pipe:\(path)", "--count", "2", "--timeout", "10"])
    #expect(two.lines == ["one", "two"], "\(two.errors)")
    let rest = try Command.run(ipc, ["receive", "named-pipe:\(path)", "--timeout", "0.2"])
    #expect(rest.lines == ["three", "fo"])
    #expect(rest.exitCode == 1 && rest.errors.contains("timed out"))
    withExtendedLifetime(kept.descriptor.rawValue) {}
  }

  @Test("hexadecimal lines are parts of memory's content; what was never allocated is read as zeros, and stays so")
  func memoryInParts() throws {
    let name = Unique.name()
    defer { try? POSIXSharedMemory.unlink(name) }
    let address = "posix-shared-memory:\(name)"
    #expect(try shell("printf '0011\\nff\\n' | \(ipc) send \(address) --create --format hex").exitCode == 0)
    #expect(try Command.run(ipc, ["receive", address, "--format", "hex"]).output == "0011ff\n")
    // More than there is memory.
    let sparse = try shell(
      "truncate -s 20T /dev/shm\(name); \(ipc) receive \(address) --format raw | head -c 5 | od -An -tx1")
    #expect(sparse.output == " 00 11 ff 00 00\n", "\(sparse)")
    var status = stat()
    #expect(stat("/dev/shm\(name)", &status) == 0 && status.st_blocks <= 8)
  }

  @Test("shared memory is written from its start, and printed whole")
  func sharedMemory() throws {
    let name = Unique.name()
    defer { try? POSIXSharedMemory.unlink(name) }
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    defer { try? SystemVSharedMemory(opening: key).remove() }
    for address in ["posix-shared-memory:\(name)", "system-v-shared-memory:\(key)"] {
      #expect(try Command.run(ipc, ["send", address, "content", "--create"]).exitCode == 0)
      #expect(try Command.run(ipc, ["send", address, "C"]).exitCode == 0)
      #expect(try Command.run(ipc, ["receive", address, "--format", "raw"]).output == "Content")
      let long = try Command.run(ipc, ["send", address, "longer than that"])
      #expect(long.exitCode == 1 && long.errors == "ipc: the message has 16 bytes, the memory 7\n")
    }
  }

  @Test(
    "what makes no sense is one line on standard error",
    arguments: [
      (["send", "posix-semaphore:/s", "x"], "carries no bytes"),
      (["send", "posix-mesage-queue:/s", "x"], "did you mean posix-message-queue?"),
      (["send", "posix-message-queue:/none-such", "x"], "there is no such queue"),
      (["receive", "system-v-message-queue:0", "--timeout", "1"], "hexadecimal"),
      (["receive", "system-v-message-queue:id=3", "--create"], "give a key"),
      (["receive", "posix-message-queue:/s", "--timeout=-1"], "--timeout -1.0"),
      (["receive", "unix-socket:/nowhere/at/all"], "nobody listens there"),
      (["receive", "named-pipe:/dev/null"], "this path is no FIFO"),
      (["send", "unix-socket:@x", "x", "--create", "--socket-type", "datagram"], "--create is for ipc receive"),
      (["send", "named-pipe:/dev/null", "x", "--socket-type", "stream"], "is no Unix socket"),
      (["send", "unix-socket:@x", "x", "--socket-type", "strem"], "stream"),
      (["send", "unix-socket:@x", "x", "--priority", "0"], "--priority: this is for a posix-message-queue"),
      (["send", "posix-message-queue:/s", "x", "--type", "1"], "--type: this is for a system-v-message-queue"),
      (["receive", "named-pipe:/dev/null", "--type", "0"], "--type: this is for a system-v-message-queue"),
    ])
  func badInput(arguments: [String], expected: String) throws {
    let run = try Command.run(ipc, arguments)
    #expect(run.exitCode != 0 && run.output.isEmpty)
    #expect(run.errors.hasPrefix("ipc: ") && run.errors.contains(expected), "\(run.errors)")
    #expect(run.errors.filter(\.isNewline).count == 1)
  }

  @Test("Python is at the other end", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let name = Unique.name()
    defer { try? POSIXMessageQueue.unlink(name) }
    let address = "posix-message-queue:\(name)"
    #expect(try Command.run(ipc, ["send", address, "to Python", "--priority", "2", "--create"]).exitCode == 0)
    #expect(try PythonPeer.run("mq-receive", name) == "2 to Python")
    _ = try PythonPeer.run("mq-send", name, "from Python", "1")
    #expect(try Command.run(ipc, ["receive", address]).lines == ["from Python"])
  }
}
