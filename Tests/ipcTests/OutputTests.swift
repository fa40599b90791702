import CInterprocess
import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// What becomes of messages, objects and files when standard output takes nothing, or a signal ends the tool.
@Suite("ipc, when output or signals are against it", .blocking, .queues())
struct OutputTests {
  private func shell(_ script: String) throws -> Command {
    try Command.run("/bin/bash", ["-c", script, Package.program("ipc")], timeout: .seconds(60))
  }

  private func withQueue(_ body: (_ name: String) throws -> Void) throws {
    let name = Unique.name()
    defer { try? POSIXMessageQueue.unlink(name) }
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 64)
    for _ in 0..<4 { try queue.send(Array("hello".utf8)) }
    try body(name)
  }

  @Test("a message that a full disk does not take is told on standard error")
  func fullDisk() throws {
    try withQueue { name in
      let command = try shell("\"$0\" receive posix-message-queue:\(name) > /dev/full")
      #expect(command.exitCode == 1 && command.errors.contains("it is 68656c6c6f\n"), "\(command)")
      #expect(command.errors.contains("write(standard output)"), "\(command)")
    }
  }

  @Test("none is taken where standard output is closed, or nobody reads")
  func nobodyReads() throws {
    try withQueue { name in
      let closed = try shell("\"$0\" receive posix-message-queue:\(name) >&-")
      #expect(closed.exitCode == 1 && closed.errors.contains("standard output"), "\(closed)")
      let unread = try shell("{ sleep 0.3; \"$0\" receive posix-message-queue:\(name); echo $? >&2; } | true")
      #expect(unread.errors == "141\n")
      #expect(try POSIXMessageQueue(opening: name).currentMessages == 4)
    }
  }

  @Test("a closed standard stream does not become the object")
  func closedStreams() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let kept = try NamedPipe.Reader(opening: path, keepingOpen: true)
    let command = try shell("\"$0\" send named-pipe:\(path) <&-; \"$0\" send named-pipe:\(path) text >&-")
    #expect(command.exitCode == 0 && command.errors.contains("Bad file descriptor"), "\(command)")
    #expect(try kept.tryRead(upTo: 100) == Array("text".utf8))
  }

  @Test(
    "a file that may not be so large is an error, and nothing is left",
    arguments: ["mapped-file", "posix-shared-memory"])
  func fileSize(mechanism: String) throws {
    let command = try shell("(ulimit -f 0; \"$0\" pi --terms 1000 --via \(mechanism)) 2>&1 | cat")
    #expect(command.output.contains("File too large"), "\(command)")
  }

  @Test("Ctrl-\\ ends it in order")
  func quit() throws {
    let command = try shell(
      "timeout --preserve-status -s QUIT -k 10 1 \"$0\" pi --via mapped-file --terms 400000000000")
    #expect(command.exitCode == 128 + SIGQUIT, "\(command)")
  }

  @Test("a signal ends it though nobody reads what it prints")
  func signalWhileFull() throws {
    let directory = try TemporaryDirectory()
    let fifo = directory.path.appending("fifo")
    let command = try shell(
      """
      mkfifo \(fifo); exec 3<>\(fifo); head -c 65536 /dev/zero >&3
      timeout --preserve-status -k 10 1 "$0" pi --via pipe --terms 1000 >&3
      """)
    #expect(command.exitCode == 128 + SIGTERM, "\(command)")
  }

  @Test("no worker outlives a parent that is killed")
  func killedParent() throws {
    let command = try shell(
      """
      "$0" pi --via posix-message-queue --workers 40 --terms 4000000000 & sleep 1; kill -9 $!; wait $! 2>/dev/null
      for _ in $(seq 100); do pgrep -P 1 -x ipc >/dev/null || break; sleep 0.1; done
      pgrep -c -x -g $$ ipc
      """)
    #expect(command.lines.last == "0", "\(command)")
  }

  @Test("a server that leaves does not take another's path with it")
  func anothersPath() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("socket")
    let receiver = Background {
      try Command.run(
        Package.program("ipc"), ["receive", "unix-socket:\(path)", "--create", "--timeout", "1"])
    }
    var status = stat()
    for _ in 0..<5000 where stat(path.string, &status) == -1 { usleep(1000) }
    try UnixListener.unlink(path)
    let other = try UnixListener(at: .path(path))
    #expect(try receiver.value().exitCode == 1)
    let client = try UnixSocket(connectingTo: other.address, timeout: generous)
    withExtendedLifetime(client.descriptor.rawValue) {}
  }

  @Test("a report stays until there is another")
  func report() throws {
    let directory = try TemporaryDirectory()
    let (old, new) = (directory.path.appending("old.html"), directory.path.appending("new.html"))
    let command = try shell(
      """
      echo old > \(old)
      for file in \(old) \(new); do (ulimit -n 6; "$0" bench --quick --via pipe --json --html $file); done
      cat \(old); ls \(new)
      """)
    #expect(command.lines == ["old"] && command.errors.contains("new.html"), "\(command)")
  }
}
