import ArgumentParser

struct LimitsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "limits",
    abstract: "Show the kernel's limits on queues, memory, semaphores, pipes and sockets, and how to raise them.",
    discussion: """
      Lists each limit that programs run into: its value, how much of it is used now (a dash where the kernel does not \
      say), what counts against it, which call fails with which error once it is reached, and the command that doubles \
      it. Sizes are in bytes unless pages are named.

      A limit set with sysctl lasts until the machine restarts: to keep it, write the setting into a file in \
      /etc/sysctl.d. RLIMIT_ limits are a process's own, inherited by its children: prlimit as shown changes those of \
      the shell it is typed into; a service has LimitNOFILE= and LimitMSGQUEUE= in its unit.

      It warns where systemd-logind removes a user's objects at logout (RemoveIPC), a surprise for services that run \
      as a regular user.

      EXAMPLES
        ipc limits
        ipc limits --json | grep mqueue  an object a line

      The keys of --json: limit, value, used, effect, raise. What there is not, or cannot be known, is null.
      """)

  @Flag(help: "Print one JSON object a line.")
  var json = false

  func run() throws {
    let limits = KernelLimit.all()
    let lines = json ? limits.map(\.json) : KernelLimit.table(of: limits)
    for line in lines { print(line) }
    try finishOutput()
    if let warning = LogoutCleanup.warning() { complain(warning) }
  }
}
