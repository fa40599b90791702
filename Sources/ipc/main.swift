import ArgumentParser
import CInterprocess
import Glibc

struct IPC: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ipc",
    abstract: "Run, measure and see the ways in which Unix processes work together.",
    discussion: """
      Start with `ipc pi`: it computes pi with forked worker processes, once over every mechanism there is, and prints \
      how long each took. `ipc help pi` tells more.

      `ipc bench` measures them all here, each beside a loop in C, and says which to choose.

      `ipc ls` shows the queues, memory, semaphores and sockets on this machine and who holds them, `ipc rm` removes \
      them, and `ipc limits` shows what the kernel allows. `ipc top` shows what the workers of a pool are doing.
      """,
    subcommands: [
      PiCommand.self, BenchCommand.self, ListCommand.self, RemoveCommand.self, LimitsCommand.self, TopCommand.self,
      SendCommand.self, ReceiveCommand.self,
    ])
}

// Synchronous on purpose: a process that has begun to use Swift's concurrency has threads, and may not fork any more.
keepDescriptorsOfStandardStreams()
// A file as large as it may be is an error, with its object and what was begun put in order.
signal(SIGXFSZ, SIG_IGN)
do {
  try checkArguments()
  var command = try IPC.parseAsRoot()
  try command.run()
} catch let signalled as Interruption.Signalled {
  exit(signalled.exitCode)
} catch {
  let code = IPC.exitCode(for: error)
  // Help, or a failure of which the command has spoken already.
  if code == .success || error is ExitCode { IPC.exit(withError: error) }
  complain(IPC.message(for: error))
  exit(code.rawValue)
}

/// A standard stream that is closed would become the first object that is opened. Reading and writing it fails as before.
private func keepDescriptorsOfStandardStreams() {
  for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
    _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
  }
}

/// Swift would put other bytes in the place of those that are no text, and so name another object or send another message.
private func checkArguments() throws {
  for index in 1..<max(1, Int(CommandLine.argc)) {
    guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
    throw ValidationError(
      "argument \(index) is not UTF-8: messages of any bytes come by standard input, or as --format hex")
  }
  try checkHelp(CommandLine.arguments.dropFirst())
}

/// ArgumentParser's own `help` shows the general one for a command that there is not.
private func checkHelp(_ arguments: ArraySlice<String>) throws {
  let words = arguments.filter { !$0.hasPrefix("-") }
  guard words.first == "help", words.count > 1 else { return }
  let names = IPC.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
  if !names.contains(words[1]) {
    let suggestion = names.nearest(to: words[1]).map { "; did you mean \($0)?" } ?? ""
    throw ValidationError("there is no command \(words[1].quoted)\(suggestion)")
  }
  if words.count > 2 { throw ValidationError("help \(words[1]) takes no more words, and got \(words[2].quoted)") }
}
