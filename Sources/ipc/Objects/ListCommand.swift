import ArgumentParser

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List queues, shared memory, semaphores and listening sockets, and who holds them.",
    discussion: """
      Lists every POSIX and System V message queue, shared memory and semaphore, and every Unix socket that listens: \
      what it is called (a System V object by its key and its number), its owner, its permissions, its size in bytes, \
      how many messages wait in it, how long ago it was last changed, and which processes hold it open or attached. \
      A dash stands for what has no meaning or cannot be seen.

      What nobody holds is stale. It may be left over from a program that died, and ipc rm --stale removes it; or it \
      may wait for a program that comes back for it. For queues, memory and POSIX semaphores the kernel itself says \
      whether anybody has them open. It keeps no such account of System V queues and semaphore sets: there the holders \
      are the processes that used them last (sent, received, operated) as long as they live, and those that wait on \
      them now; one of which all these have ended is stale, one that was never used is not. In a container, which shows \
      its own processes only and may share its objects with others, none of these is stale.

      The kernel is asked by a lease, where nobody is seen to have the object: a program that opens it at that very \
      moment, and would not wait (O_NONBLOCK), is told EAGAIN.

      KIND is one of \(ObjectKind.listed.map(\.rawValue).joined(separator: ", ")).
      \(ObjectAddress.forms)

      EXAMPLES
        ipc ls                                  everything
        ipc ls posix-message-queue unix-socket  two kinds
        ipc ls system-v-shared-memory:id=3      one object
        ipc ls --json                           an object a line

      The keys of --json: kind, name (or key and id), owner, mode, bytes, messages, holders (process ids), stale, and \
      modified (seconds since 1970). What cannot be known is null.

      The exit code is 0, 1 when an address means no object, and 64 for arguments that make no sense. What this user \
      may not see is said on standard error.
      """)

  @Flag(help: "Print one JSON object a line.")
  var json = false

  @Argument(
    help: ArgumentHelp("A kind, or an object's address. (default: everything)", valueName: "kind"),
    transform: ObjectSelector.init(parsing:))
  var selectors: [ObjectSelector] = []

  func run() throws {
    let listing = ObjectListing(selectors)
    if json {
      for object in listing.objects { print(object.json) }
    } else if !listing.objects.isEmpty {
      for line in ListedObject.table(of: listing.objects) { print(line) }
    }
    try finishOutput()
    for notice in listing.notices { complain(notice) }
    for address in listing.missing { complain(address.isUnknown) }
    if !listing.missing.isEmpty { throw ExitCode.failure }
  }
}

extension ObjectAddress {
  /// The error that there is nothing here.
  var isUnknown: String {
    "\(description.printable): there is no such object; ipc ls \(kind.rawValue) shows what there is"
  }
}
