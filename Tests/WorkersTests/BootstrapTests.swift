import Glibc
import TestSupport
import Testing
import WorkerPrograms

@Suite("A program started again", .blocking)
struct BootstrapTests {
  private static let helper = Package.program("workers-helper")
  private static let works = ["main runs", "sum 45 main 1", "exited with code 0"]

  private func lines(_ arguments: String..., environment: [String: String] = [:]) throws -> [String] {
    try Command.run(Self.helper, arguments, environment: environment, timeout: .seconds(30)).lines
  }

  @Test("becomes a worker from a program with top-level code, whose main does not run again")
  func topLevelCode() throws {
    #expect(try lines("hello") == Self.works)
  }

  @Test("becomes a worker from a program with an async @main")
  func asyncMain() throws {
    let lines = try Command.run(Package.program("workers-main-helper"), timeout: .seconds(30)).lines
    #expect(lines == Self.works + ["and 42"])
  }

  @Test("becomes a worker from a program with 50 busy threads")
  func threads() throws {
    #expect(try lines("threads") == Self.works)
  }

  @Test("starts its workers in the directory that the parent is in by then")
  func directory() throws {
    #expect(try lines("chdir") == ["main runs", "directory /etc"])
  }

  @Test("works with standard descriptors closed", arguments: [["0"], ["1"], ["0", "1"], ["0", "1", "2"]])
  func closedInput(closed: [String]) throws {
    let file = "/tmp/workers-closed-\(getpid())-\(closed.joined())"
    defer { unlink(file) }
    let command = try Command.run(Self.helper, ["closed-input"] + closed + [file], timeout: .seconds(30))
    #expect(command.exitCode == 0, "\(command)")
    #expect(try Command.run("/bin/cat", [file]).lines == Array(Self.works.dropFirst()))
  }

  @Test("works when the program's file has been replaced")
  func replaced() throws {
    let copy = "\(Self.helper)-copy-\(getpid())"
    defer { unlink(copy) }
    #expect(try Command.run("/bin/cp", [Self.helper, copy]).exitCode == 0)
    let script = "rm \"$0\"; echo '#!/bin/false' > \"$0\"; chmod +x \"$0\"; echo"
    let command = try Command.run(
      "/bin/sh", ["-c", "(sleep 0.3; \(script)) | \"$0\" replaced", copy], timeout: .seconds(30))
    #expect(command.lines == Self.works, "\(command)")
  }

  @Test("with few descriptors some workers start, and the next is a clear error")
  func fewDescriptors() throws {
    let lines = try lines("few-descriptors")
    #expect(lines == ["main runs", "clear error", "many", "ended"])
  }

  @Test(
    "the marker set by hand does nothing, and is not passed on",
    arguments: ["3:00000000000000000000000000000000", "0:", "", "3", String(repeating: "9", count: 500)])
  func markerByHand(value: String) throws {
    #expect(try lines("environment", environment: ["INTERPROCESS_WORKER": value]) == ["main runs", "no marker"])
  }

  @Test("the marker with a socket that is somebody else's does nothing, and leaves the socket's messages")
  func foreignSocket() throws {
    let script = """
      import os, socket, subprocess
      near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
      near.send(b"ipcwork1" + bytes(16))
      os.dup2(far.fileno(), 3)
      environment = dict(os.environ, INTERPROCESS_WORKER="3:" + "11" * 16)
      print(subprocess.run(["\(Self.helper)", "environment"], pass_fds=[3], env=environment,
        stdout=subprocess.PIPE).stdout.split(b"\\n"))
      print(len(far.recv(100)))
      """
    let command = try Command.run("/usr/bin/env", ["python3", "-c", script], timeout: .seconds(30))
    #expect(command.lines == ["[b'main runs', b'no marker', b'']", "24"], "\(command)")
  }

  @Test("workers are executed where the fork server has a second thread", .enabled(if: CPeer.isAvailable))
  func threadInForkServer() throws {
    let library = "\(Self.helper)-thread-\(getpid()).so"
    defer { unlink(library) }
    let source = """
      #include <pthread.h>
      #include <unistd.h>
      static void *run(void *unused) { while (1) pause(); return unused; }
      __attribute__((constructor)) static void start(void) { pthread_t thread; pthread_create(&thread, 0, run, 0); }
      """
    let compiler = try Command.run(
      "/bin/sh", ["-c", "printf '%s' \"$0\" | cc -shared -fPIC -x c - -o \"$1\" -pthread", source, library])
    #expect(compiler.exitCode == 0, "\(compiler)")
    #expect(try lines("hello", environment: ["LD_PRELOAD": library]) == Self.works)
  }
}
