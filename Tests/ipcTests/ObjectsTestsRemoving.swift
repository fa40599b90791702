import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@testable import ipc

@Suite("ipc rm", .blocking, .queues())
struct ObjectsTestsRemoving {
  @Test("an object that nobody holds is removed", arguments: ObjectKind.knownStale)
  func removes(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    #expect(object.exists)
    let run = try runIPC("rm", object.text)
    #expect(run.exitCode == 0, "\(run.errors)")
    #expect(run.output == "removed \(object.text)\n")
    #expect(!object.exists)
  }

  @Test("what a live process holds stays, unless it is forced", arguments: ObjectKind.listed)
  func held(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    try object.whileHeld { holder in
      let refused = try runIPC("rm", object.text)
      #expect(refused.exitCode == 1)
      #expect(refused.output.isEmpty)
      #expect(refused.errors.contains("\(object.text): not removed, process \(holder) (python3) holds it; --force"))
      #expect(object.exists)
      let staleOnly = try runIPC("rm", "--stale", "--yes", object.text)
      #expect(staleOnly.output == "nothing is stale\n")
      #expect(object.exists)
      let forced = try runIPC("rm", "--force", object.text)
      #expect(forced.exitCode == 0, "\(forced.errors)")
      // A socket without its path goes on listening; the others have lost their names.
      if kind == .unixSocket {
        #expect(SocketFile.status(of: String(object.text.dropFirst("unix-socket:".count))) == nil)
      } else {
        #expect(!object.exists)
      }
    }
  }

  @Test("one bad address does not keep the others from being removed")
  func others() throws {
    let first = try TestObject(stale: .posixSharedMemory)
    let second = try TestObject(stale: .systemVSharedMemory)
    let run = try runIPC("rm", first.text, "posix-semaphore:/ipc-test-none", "nonsense", second.text)
    #expect(run.exitCode == 1)
    #expect(run.errors.contains("posix-semaphore:/ipc-test-none: there is no such object"))
    #expect(run.errors.contains("\"nonsense\": there is no such kind"))
    #expect(!first.exists)
    #expect(!second.exists)
  }

  @Test("a private object is removed by its number")
  func byNumber() throws {
    let id = try SystemVSemaphoreSet(values: [1]).id
    // This process has initialised it, and lives.
    let refused = try runIPC("rm", "system-v-semaphore:id=\(id)")
    #expect(refused.errors.contains("process \(getpid())"))
    #expect(try runIPC("rm", "--force", "system-v-semaphore:id=\(id)").exitCode == 0)
    #expect(throws: InterprocessError.self) { try SystemVSemaphoreSet.remove(id: id) }
  }

  @Test("a client's path is in use, though nobody can connect to it")
  func clientPath() throws {
    let directory = try TemporaryDirectory()
    let (server, client) = (directory.path.appending("server"), directory.path.appending("client"))
    let program = """
      import socket
      l, c = (socket.socket(socket.AF_UNIX) for _ in range(2))
      l.bind("\(server)"); l.listen(); c.bind("\(client)"); c.connect("\(server)"); a, _ = l.accept()
      """
    try whileUp(python: program) { holder in
      let refused = try runIPC("rm", "--yes", "unix-socket:\(client)")
      #expect(refused.exitCode == 1 && refused.errors.contains("process \(holder) (python3) holds it"), "\(refused)")
    }
    #expect(try runIPC("rm", "--yes", "unix-socket:\(client)", "unix-socket:\(server)").exitCode == 0)
  }

  @Test("a path that is no socket stays")
  func noSocket() throws {
    let file = try TemporaryFile(prefix: "ipc-test")
    let run = try runIPC("rm", "--force", "unix-socket:\(file.path)")
    #expect(run.exitCode == 1)
    #expect(access(file.path.string, F_OK) == 0)
  }

  @Test("a dry run names what would go, and removes nothing")
  func dryRun() throws {
    let stale = try TestObject(stale: .posixSharedMemory)
    let held = try TestObject(stale: .posixSharedMemory)
    try held.whileHeld { _ in
      let run = try runIPC("rm", "--stale", "--dry-run", stale.text, held.text)
      #expect(run.exitCode == 0)
      #expect(run.output.contains("would remove \(stale.text)"))
      #expect(!run.output.contains(held.text))
      #expect(stale.exists)
    }
  }

  @Test("without a terminal and without --yes nothing is removed")
  func refusesToAsk() throws {
    let object = try TestObject(stale: .posixSemaphore)
    let run = try runIPC("rm", "--stale", object.text)
    #expect(run.exitCode == 1)
    #expect(run.errors.contains("--yes"))
    #expect(object.exists)
  }

  @Test("with --yes the stale ones asked for go, and no others")
  func yes() throws {
    let stale = try TestObject(stale: .posixMessageQueue)
    let other = try TestObject(stale: .posixMessageQueue)
    let run = try runIPC("rm", "--stale", "--yes", stale.text)
    #expect(run.exitCode == 0, "\(run.errors)")
    #expect(!stale.exists)
    #expect(other.exists)
  }

  @Test("on a terminal it asks, and does as it is told", arguments: [("y", false), ("n", true), ("", true)])
  func asks(answer: String, stays: Bool) throws {
    let object = try TestObject(stale: .posixSharedMemory)
    let script = """
      import os, pty, sys
      child, terminal = pty.fork()
      if child == 0:
          os.execv(sys.argv[1], ['ipc', 'rm', '--stale', sys.argv[2]])
      seen = b''
      while b'[y/N]' not in seen:
          seen += os.read(terminal, 1000)
      os.write(terminal, sys.argv[3].encode() + b'\\n')
      try:
          while os.read(terminal, 1000): pass
      except OSError: pass
      sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
      """
    let run = try runProgram(["python3", "-c", script, Package.program("ipc"), object.text, answer])
    #expect(run.exitCode == (stays ? 1 : 0), "\(run.errors)")
    #expect(object.exists == stays)
  }

  @Test(
    "what makes no sense is refused",
    arguments: [
      ["rm"], ["rm", "--yes"], ["rm", "--stale", "--force"], ["rm", "--stale", "--yes", "nonsense"],
      ["rm", "--stale", "--yes", "named-pipe"],
    ])
  func refused(arguments: [String]) throws {
    let run = try runProgram([Package.program("ipc")] + arguments)
    #expect(run.exitCode == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
  }
}
