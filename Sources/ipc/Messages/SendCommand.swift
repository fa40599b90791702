import ArgumentParser
import Interprocess
import SystemPackage

struct SendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send",
    abstract: "Send to a queue, FIFO, Unix socket or shared memory.",
    discussion: """
      \(ObjectAddress.forms)

      \(MessageOptions.kinds)

      Without TEXT the message is what comes on standard input: all of it (raw), or a message a line (lines, hex). Into \
      shared memory it is written from the start. A Unix socket may be of any type: it is found out.

      EXAMPLES
        ipc send posix-message-queue:/jobs hello --priority 3 --create
        seq 100 | ipc send system-v-message-queue:0x70690001 --type 7 --format lines
        ipc send posix-message-queue:/jobs "00 ff" --format hex
        tar c . | ipc send unix-socket:/run/backup.sock
        ipc send unix-socket:/run/log.sock "a datagram"

      A TEXT that begins with a dash comes after two: ipc send ADDRESS -- -5. The exit code is 0 when everything was \
      sent, 1 when not, and 64 for arguments that make no sense.
      """,
    // Not -h: a text such as -hello would be taken for it.
    helpNames: .long)

  @OptionGroup var options: MessageOptions

  @Argument(help: "The message; without it, standard input.")
  var text: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "For POSIX queues: higher ones are received first; 0 to 32767. (default: 0)", valueName: "n"))
  var priority: UInt32?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("For System V queues: the message's type, 1 or more. (default: 1)", valueName: "n"))
  var type: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Send the text so many times.", valueName: "n"))
  var count = 1

  @Option(help: "How the message is given: raw, lines or hex.")
  var format = MessageFormat.raw

  func validate() throws {
    if count < 1 { throw ValidationError("--count \(count): give a number from 1") }
    if count != 1, text == nil { throw ValidationError("--count needs a TEXT to repeat") }
    try options.checkForMemory("--count", isGiven: count != 1)
    try options.checkForMemory("--format lines", isGiven: format == .lines)
    try options.check("--priority", isGiven: priority != nil, isFor: .posixMessageQueue)
    try options.check("--type", isGiven: type != nil, isFor: .systemVMessageQueue)
  }

  func run() throws {
    // Looked at before anything is created.
    let message = try text.map { format == .hex ? try MessageFormat.decodeHex(Array($0.utf8)) : Array($0.utf8) }
    try withSink { isStream, send in
      // Where there are no messages, lines are told apart by their ends.
      let lineEnd = isStream ? [UInt8(ascii: "\n")] : []
      if let message {
        for _ in 0..<count { try send(format == .lines ? message + lineEnd : message) }
      } else if format == .raw || options.address.isMemory {
        try sendStandardInput(isStream, send)
      } else {
        var lines = LineReader { try FileDescriptor.standardInput.readSome() }
        while let line = try lines.next() {
          try send(format == .hex ? try MessageFormat.decodeHex(line) : line + lineEnd)
        }
      }
    }
  }

  /// A stream passes on what comes as it comes; anything else needs the whole message.
  private func sendStandardInput(_ isStream: Bool, _ send: ([UInt8]) throws -> Void) throws {
    var message: [UInt8] = []
    while true {
      let piece = try FileDescriptor.standardInput.readSome()
      if piece.isEmpty { break }
      if isStream { try send(piece) } else { message += piece }
    }
    if isStream { return }
    // Of memory's one content the lines are parts.
    let isHex = format == .hex
    try send(
      isHex
        ? try message.split(separator: UInt8(ascii: "\n")).flatMap { try MessageFormat.decodeHex(Array($0)) } : message)
  }

  /// Calls `body` with what sends, and whether it is a stream, which does not keep messages apart.
  private func withSink(_ body: (_ isStream: Bool, _ send: ([UInt8]) throws -> Void) throws -> Void) throws {
    let timeout = options.duration
    let create = options.create
    switch (options.address.kind, options.address.place) {
    case (.posixMessageQueue, .name(let name)):
      let queue = try POSIXMessageQueue(
        name, access: .writeOnly, creatingIfAbsent: create)
      try body(false) { try queue.send($0, priority: priority ?? 0, timeout: timeout) }
    case (.systemVMessageQueue, let place):
      let queue = try SystemVMessageQueue(at: place, creatingIfAbsent: create)
      try body(false) { try queue.send($0, type: type ?? 1, timeout: timeout) }
    case (.namedPipe, .name(let name)):
      let path = FilePath(name)
      if create { try NamedPipe.createIfAbsent(at: path) }
      let writer = try NamedPipe.Writer(opening: path, timeout: timeout)
      try body(true) { try writer.write($0, timeout: timeout) }
    case (.unixSocket, .name(let name)):
      let address = UnixSocketAddress(named: name)
      let socket =
        create
        ? try ConnectedSocket.servingOneClient(at: address, options.socketType, timeout: timeout)
        : try ConnectedSocket.connecting(to: address, options.socketType, timeout: timeout)
      switch socket {
      case .stream(let stream): try body(true) { try stream.write($0, timeout: timeout) }
      case .messages(let messages): try body(false) { try messages.send($0, timeout: timeout) }
      }
    case (.posixSharedMemory, .name(let name)):
      try body(false) { message in
        let memory = try POSIXSharedMemory(name, creatingIfAbsent: create ? message.count : nil)
        try memory.overwrite(with: message)
      }
    case (.systemVSharedMemory, let place):
      try body(false) { message in
        var memory = try SystemVSharedMemory(at: place, creatingIfAbsent: create ? message.count : nil)
        try memory.mapping.overwrite(with: message)
      }
    default: throw MessageOptions.notForMessages(options.address.kind)
    }
  }
}
