import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("ForkedProcess", .blocking)
struct ForkedProcessTests {
  private func facts(_ scenario: String) throws -> Command {
    try Command.run(Package.program("forked-process-helper"), [scenario], timeout: .seconds(30))
  }

  @Test(
    "a child's ending is told",
    arguments: [
      ("success", "exited with code 0"),
      ("exit-code", "exited with code 7"),
      ("killed", "was killed by signal 9 (SIGKILL)"),
      ("signalled", "was killed by signal 15 (SIGTERM)"),
    ])
  func ending(scenario: String, expected: String) throws {
    #expect(try facts(scenario).lines == [expected])
  }

  @Test("a child that throws says why on standard error, and exits with code 1")
  func throwing() throws {
    let command = try facts("throws")
    #expect(command.lines == ["exited with code 1"])
    #expect(command.errors == "the child had a reason\n")
  }

  @Test("waiting with a timeout gives nil while the child runs, and its ending afterwards")
  func timeout() throws {
    #expect(try facts("timeout").lines == ["nil", "true"])
  }

  @Test("tasks wait for a child too: with a timeout, until it ends, or until they are cancelled")
  func tasks() throws {
    #expect(
      try facts("waited-for-by-tasks").lines == ["nil", "was killed by signal 9 (SIGKILL)", "true", "cancelled"])
  }

  @Test("what the parent has buffered is printed once, and what the child buffers too")
  func bufferedOutput() throws {
    #expect(try facts("buffered-output").output == "parent once child once end\n")
  }

  @Test("atexit handlers run in the parent only")
  func atexit() throws {
    #expect(try facts("atexit").lines == ["handler ran"])
  }

  @Test("the child never returns into the parent's code")
  func neverReturns() throws {
    #expect(try facts("never-returns").lines == ["after the fork"])
  }

  @Test("a child whose owner goes is killed and reaped")
  func dropped() throws {
    #expect(try facts("dropped").lines == ["-1 true"])
  }

  @Test("a child that the kernel has reaped is not signalled, nor killed in the end")
  func reapedByNobody() throws {
    #expect(try facts("reaped-by-nobody").lines == ["nobody was signalled"])
  }

  @Test("a child that somebody else reaped is an error with a remedy")
  func reapedByAnother() throws {
    let fact = try facts("reaped-by-another").output
    #expect(fact.contains("waitpid(child") && fact.contains("somebody else has reaped it"))
  }

  @Test("forking is refused as soon as there is a second thread")
  func refusedWithAThread() throws {
    let fact = try facts("thread").output
    #expect(fact.contains("fork: Operation not permitted: this process has 2 threads"))
  }

  @Test("forking is refused here, where the tests run on several threads")
  func refusedInProcess() async throws {
    // Makes sure that there is a second one.
    await Task.detached {}.value
    let error = #expect(throws: InterprocessError.self) { _ = try ForkedProcess {} }
    #expect(error?.errno == .notPermitted)
    #expect(error?.remedy?.contains("only a process with one may fork") == true)
  }

  @Test("writing to a pipe that nobody reads is an error and no signal")
  func brokenPipe() throws {
    let command = try facts("broken-pipe")
    #expect(command.exitCode == 0)
    #expect(command.output.contains("Broken pipe: the other side has closed; 0 of 3 bytes were written"))
  }

  @Test("a semaphore taken with undo comes back when its holder is killed")
  func undo() throws {
    #expect(try facts("undo").lines == ["was killed by signal 9 (SIGKILL)", "handed over: true", "acquired"])
  }
}
