import ArgumentParser

/// What `ipc send` and `ipc receive` have in common.
struct MessageOptions: ParsableArguments {
  @Argument(help: "The object: KIND:NAME, KIND:0xKEY or KIND:id=N.", transform: ObjectAddress.init(parsing:))
  var address: ObjectAddress

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Give up after so many seconds; 0.5 is half of one.", valueName: "seconds"))
  var timeout: Double?

  @Flag(
    help:
      "Create the object if it is not there; for a Unix socket: listen there and serve one client, or receive datagrams there."
  )
  var create = false

  @Option(
    help: ArgumentHelp(
      "For Unix sockets: stream, sequenced-packet or datagram. (default: what is there; with --create a stream)",
      valueName: "type"))
  var socketType: SocketType?

  var duration: Duration? { timeout.map { .seconds($0) } }

  func validate() throws {
    if let timeout, !(0...1e9).contains(timeout) {
      throw ValidationError("--timeout \(timeout): give a number of seconds from 0 to 1000000000")
    }
    if socketType != nil, address.kind != .unixSocket {
      throw ValidationError("--socket-type: \(address) is no Unix socket")
    }
  }

  /// - Throws: an error for an option that means nothing to the object's kind.
  func check(_ option: String, isGiven: Bool, isFor kind: ObjectKind) throws {
    guard isGiven, address.kind != kind else { return }
    throw ValidationError("\(option): this is for a \(kind.rawValue), and \(address) is none")
  }

  /// - Throws: an error for an option that means nothing to memory, which has a content and no messages.
  func checkForMemory(_ option: String, isGiven: Bool) throws {
    guard isGiven, address.isMemory else { return }
    throw ValidationError("\(option): \(address) is memory, with one content; this is for what carries messages")
  }

  /// The kinds that `send` and `receive` speak to.
  static let kinds = """
    Kinds: posix-message-queue, system-v-message-queue, named-pipe, unix-socket (stream, sequenced packet, datagram), \
    posix-shared-memory, system-v-shared-memory.
    """

  static func notForMessages(_ kind: ObjectKind) -> ValidationError {
    ValidationError("a \(kind.rawValue) carries no bytes; it counts. \(kinds)")
  }

  static func cannotCreateByID() -> ValidationError {
    ValidationError("--create: the system chooses the numbers of System V objects; give a key, as in 0x70690001")
  }
}
