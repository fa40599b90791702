import ArgumentParser
import CInterprocess
import Glibc
import Interprocess
import SystemPackage

struct ReceiveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receive",
    abstract: "Receive from a queue, FIFO, Unix socket or shared memory.",
    discussion: """
      \(ObjectAddress.forms)

      \(MessageOptions.kinds)

      From a queue or a datagram socket it takes one message, or as many as --count says. From a FIFO or another \
      socket it takes what comes until the other side closes, or so many pieces: packets where there are any, else \
      lines, or with raw and hex whatever one read gives. Of shared memory it prints the content.

      EXAMPLES
        ipc receive posix-message-queue:/jobs --timeout 2
        ipc receive system-v-message-queue:0x70690001 --type 7 --count 100
        ipc receive unix-socket:/run/backup.sock --create --format raw > backup.tar
        ipc receive unix-socket:/run/log.sock --create --socket-type datagram --count 0
        ipc receive posix-shared-memory:/samples --format hex

      The exit code is 0 when as many messages came as were wanted, 1 when not, and 64 for arguments that make no sense.
      """)

  @OptionGroup var options: MessageOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many messages; 0 for all that come, until the timeout. (default: 1 of a queue, all of a connection)",
      valueName: "n"))
  var count: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "For System V queues: of this type; -N for the lowest that is not above N; 0 for any. (default: 0)",
      valueName: "n"))
  var type: Int?

  @Option(help: "How messages are printed: raw, lines or hex.")
  var format = MessageFormat.lines

  func validate() throws {
    if let count, count < 0 { throw ValidationError("--count \(count): give a number from 0") }
    try options.checkForMemory("--count", isGiven: count != nil)
    try options.checkForMemory("--create", isGiven: options.create)
    try options.check("--type", isGiven: type != nil, isFor: .systemVMessageQueue)
  }

  func run() throws {
    // Whether anybody reads is asked before a message is taken.
    signal(SIGPIPE, SIG_IGN)
    let timeout = options.duration
    let create = options.create
    switch (options.address.kind, options.address.place) {
    case (.posixMessageQueue, .name(let name)):
      let queue = try POSIXMessageQueue(name, access: .readOnly, creatingIfAbsent: create)
      try receiveMessages { try queue.receive(timeout: timeout).bytes }
    case (.systemVMessageQueue, let place):
      let queue = try SystemVMessageQueue(at: place, creatingIfAbsent: create)
      let type = type ?? 0
      let selection: SystemVMessageQueue.Selection =
        type == 0 ? .any : type > 0 ? .type(type) : .notAbove(Int(clamping: type.magnitude))
      try receiveMessages { try queue.receive(selection, timeout: timeout).bytes }
    case (.namedPipe, .name(let name)):
      let path = FilePath(name)
      if create { try NamedPipe.createIfAbsent(at: path) }
      let reader = try NamedPipe.Reader(opening: path, timeout: timeout)
      // What follows the lines that are wanted stays for whoever reads next.
      let most = format == .lines && count ?? 0 > 0 ? 1 : 1 << 16
      try receivePieces { try reader.read(upTo: most, timeout: timeout) }
    case (.unixSocket, .name(let name)):
      try receive(fromSocketAt: UnixSocketAddress(named: name))
    case (.posixSharedMemory, .name(let name)):
      let memory = try POSIXSharedMemory(opening: name, readOnly: true)
      // By reading it: touching what was never allocated would allocate it, or be a SIGBUS where there is no room.
      try printContent(byteCount: memory.mapping.byteCount) { piece in
        try memory.descriptor.fileDescriptor.bytes(in: piece)
      }
    case (.systemVSharedMemory, .key(let key)):
      try printContent(of: try SystemVSharedMemory(opening: key, readOnly: true).mapping)
    case (.systemVSharedMemory, .id(let id)):
      try printContent(of: try SystemVSharedMemory(id: id, readOnly: true).mapping)
    default: throw MessageOptions.notForMessages(options.address.kind)
    }
  }

  private func receive(fromSocketAt address: UnixSocketAddress) throws {
    let (timeout, type) = (options.duration, options.socketType)
    if options.create, type == .datagram {
      return try MessageSocket.whileBound(to: address, timeout: timeout) { try receiveMessages($0) }
    }
    let socket =
      options.create
      ? try ConnectedSocket.servingOneClient(at: address, type, timeout: timeout)
      : try ConnectedSocket.connecting(to: address, type, timeout: timeout)
    switch socket {
    case .stream(let stream): try receivePieces { try stream.read(upTo: 1 << 16, timeout: timeout) }
    case .messages(let packets) where packets.kind == .sequencedPacket:
      try receivePackets { try packets.receiveWhole(timeout: timeout) }
    case .messages:
      throw ValidationError(
        "datagrams sent to \(options.address) go to the program that is there; receive at a path of your own with "
          + "--create --socket-type datagram")
    }
  }

  private func receiveMessages(_ receive: () throws -> [UInt8]) throws {
    let wanted = count ?? 1
    var received = 0
    while wanted == 0 || received < wanted {
      do {
        try MessageOutput.check()
        try put(try receive())
      } catch let error as InterprocessError where error.isTimeout && wanted == 0 {
        return
      }
      received += 1
    }
  }

  /// - Parameter read: gives the next bytes; none when the other side has closed.
  private func receivePieces(_ read: () throws -> [UInt8]) throws {
    let wanted = count ?? 0
    var received = 0
    try withoutActuallyEscaping(read) { read in
      var lines = LineReader(read)
      while wanted == 0 || received < wanted {
        let piece: [UInt8]?
        do {
          try MessageOutput.check()
          piece = format == .lines ? try lines.next() : try read()
        } catch {
          // What has come of a line is not lost.
          if !lines.rest.isEmpty { try put(lines.rest) }
          throw error
        }
        guard let piece, format == .lines || !piece.isEmpty else { break }
        try put(piece)
        received += 1
      }
    }
    if received < wanted { throw JobFailure("the other side closed after \(received) of \(wanted)") }
  }

  /// - Parameter receive: gives the next packet; `nil` when the other side has closed.
  private func receivePackets(_ receive: () throws -> [UInt8]?) throws {
    let wanted = count ?? 0
    var received = 0
    while wanted == 0 || received < wanted {
      try MessageOutput.check()
      guard let packet = try receive() else { break }
      try put(packet)
      received += 1
    }
    if received < wanted { throw JobFailure("the other side closed after \(received) of \(wanted)") }
  }

  private func put(_ message: [UInt8]) throws { try MessageOutput.write(message, as: format) }

  private func printContent(of memory: borrowing Mapping) throws {
    try printContent(byteCount: memory.byteCount) { piece in
      memory.bytes.withUnsafeBytes { Array($0[piece]) }
    }
  }

  /// Prints memory as one message, in pieces: it may be larger than there is room for in this process.
  private func printContent(byteCount: Int, _ bytes: (Range<Int>) throws -> [UInt8]) throws {
    for start in stride(from: 0, to: byteCount, by: 1 << 16) {
      let piece = try bytes(start..<min(start + 1 << 16, byteCount))
      try MessageOutput.write(format.encode(part: piece)[...])
    }
    try MessageOutput.write(format.end[...])
  }
}
