import Glibc
import TestSupport
import Testing

/// The program has top-level code, and a pool with calls of every kind.
@Suite("Distributed calls", .blocking)
struct PoolPlacesTests {
  private static let helper = Package.program("workers-helper")
  private static let calls = ["calls", "elsewhere", "main actor 7", "functions", "large", "crash", "and 42"]
  private static let works = ["main runs"] + calls + ["ended"]

  private func lines(_ place: String, _ more: String..., environment: [String: String] = [:]) throws -> [String] {
    let command = try Command.run(
      Self.helper, ["calls", place] + more, environment: environment, timeout: .seconds(60))
    #expect(command.exitCode == 0, "\(command)")
    return command.lines
  }

  @Test("work with 50 busy threads, and with a closed input", arguments: ["plain", "threads", "closed-input"])
  func places(_ place: String) throws { #expect(try lines(place) == Self.works) }

  @Test("work after a change of directory")
  func directory() throws { #expect(try lines("chdir") == ["main runs"] + Self.calls + Self.calls + ["ended"]) }

  @Test("work when the program's file has been replaced")
  func replaced() throws {
    let copy = "\(Self.helper)-pool-copy-\(getpid())"
    defer { unlink(copy) }
    #expect(try Command.run("/bin/cp", [Self.helper, copy]).exitCode == 0)
    let script = "rm \"$0\"; echo '#!/bin/false' > \"$0\"; chmod +x \"$0\"; echo"
    let command = try Command.run(
      "/bin/sh", ["-c", "(sleep 0.3; \(script)) | \"$0\" calls replaced", copy], timeout: generous)
    #expect(command.lines == Self.works, "\(command)")
  }

  @Test(
    "work with the marker set by hand, which does nothing", arguments: ["3:00000000000000000000000000000000", "0:", ""])
  func marker(_ value: String) throws {
    #expect(try lines("plain", environment: ["INTERPROCESS_WORKER": value]) == Self.works)
  }

  @Test("work in as many workers at once as there are descriptors for, by what is documented")
  func fewDescriptors() throws {
    #expect(try lines("few-descriptors") == ["main runs", "5 at once"] + Self.calls + ["ended"])
  }

  @Test("of more workers than there are descriptors for end in an error that says so")
  func tooFewDescriptors() throws {
    let command = try Command.run(Self.helper, ["calls", "too-few-descriptors"], timeout: generous)
    let error = command.lines.last ?? ""
    #expect(error.hasPrefix("error: the worker pool has failed, since too many workers died"), "\(command)")
    #expect(error.contains("it could not be started") && error.contains("Too many open files"), "\(command)")
    #expect(error.hasSuffix("raise RLIMIT_NOFILE (64) with ulimit -n"), "\(command)")
    #expect(command.exitCode == 1 && !command.lines.contains("8 at once"), "\(command)")
  }

  @Test(
    "work with a full /dev/shm, and where they need it the error says so",
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func fullSharedMemory() throws {
    let works = try Isolated.run([Self.helper, "calls", "full-shm"], options: ["--shm", "64k"], timeout: generous)
    #expect(works.output == Self.works && works.exitCode == 0 && works.left.isEmpty, "\(works)")
    let fails = try Isolated.run(
      [Self.helper, "calls", "full-shm", "posix-shared-memory"], options: ["--shm", "64k"], timeout: generous)
    #expect(fails.output.contains { $0.contains("No space left") || $0.contains("ENOSPC") }, "\(fails)")
    #expect(fails.exitCode == 1 && fails.left.isEmpty, "\(fails)")
  }

  @Test("may make a pool of their own, and no deeper than allowed")
  func nested() throws { #expect(try lines("nested") == ["main runs", "3 processes", "bounded"]) }
}
