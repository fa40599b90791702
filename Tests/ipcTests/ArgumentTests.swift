import TestSupport
import Testing

/// What a shell may hand to the tool, and what it may have the tool write to.
@Suite("ipc, from a shell", .blocking)
struct ArgumentTests {
  private func shell(_ script: String) throws -> Command {
    try Command.run("/bin/bash", ["-c", script, Package.program("ipc")], timeout: .seconds(30))
  }

  @Test(
    "refuses what is no text, and what only looks like an option, and sends nothing",
    arguments: [
      #"send posix-message-queue:/ipc-test-none $'\xff\xfe' --create"#,
      #"send posix-message-queue:/$'\xff' x --create"#, "send posix-message-queue:/ipc-test-none -hello --create",
      "rm nope:/x", "rm ''", "receive posix-shared-memory:/ipc-test-none --create",
      "send posix-shared-memory:/ipc-test-none abc --count 3",
    ])
  func refusals(_ arguments: String) throws {
    let command = try shell("\"$0\" \(arguments)")
    #expect(command.exitCode == 64 && !command.errors.isEmpty, "\(command)")
  }

  @Test(
    "says when standard output takes nothing",
    arguments: ["pi --via pipe --terms 1000", "rm --stale --dry-run posix-semaphore", "limits"])
  func fullOutput(_ arguments: String) throws {
    let command = try shell("\"$0\" \(arguments) > /dev/full")
    #expect(command.exitCode == 1 && command.errors.contains("standard output"), "\(command)")
  }

  @Test("takes negative numbers for what they are, and knows its commands")
  func refusalsInWords() throws {
    let key = "0x" + String(Unique.key(), radix: 16)
    for (arguments, message) in [
      ("pi --terms -5", "--terms -5: give a number"), ("receive posix-message-queue:/x --count -1", "--count -1: give"),
      ("help lst", "there is no command \"lst\"; did you mean ls?"), ("help ls more", "takes no more words"),
      ("send system-v-message-queue:\(key) zz --create --format hex", "not hexadecimal"),
      ("receive system-v-message-queue:\(key) --type -3", "No such file or directory"),
    ] {
      let command = try shell("\"$0\" \(arguments)")
      #expect(command.exitCode != 0 && command.errors.contains(message), "\(command)")
    }
  }

  @Test("finds out of which type an abstract socket is", arguments: ["datagram", "sequenced-packet", "stream"])
  func abstractSockets(_ type: String) throws {
    let script = """
      name=@ipc-test-$$
      "$0" receive unix-socket:$name --create --socket-type \(type) --timeout 10 &
      for _ in $(seq 200); do "$0" send unix-socket:$name hello 2>/dev/null && break; sleep 0.02; done
      wait
      """
    #expect(try shell(script).lines == ["hello"])
  }

  @Test("says of how many workers a pool's queues have room for")
  func fewerWorkers() throws {
    let command = try shell(
      "ulimit -q 400000; \"$0\" pi --pool --workers 10 --terms 1000 --via posix-message-queue --json")
    #expect(command.output.contains("\"workers\":2}") && command.errors.contains("2 workers"), "\(command)")
  }
}
