import CInterprocess
import Glibc
import SystemPackage

/// The two ends of a channel, before each of two processes opens one. See ``Channel/pair(over:)``.
public struct ChannelPair: ~Copyable, Sendable {
  private var first: ChannelEndpoint?
  private var second: ChannelEndpoint?

  init(_ first: consuming ChannelEndpoint, _ second: consuming ChannelEndpoint) {
    self.first = .some(first)
    self.second = .some(second)
  }

  /// Opens the first end, and closes the second in this process.
  ///
  /// - Throws: ``ChannelError/Code/closed`` when it was opened or taken already.
  public mutating func openFirst(_ options: Channel.Options = .init()) throws(ChannelError) -> Channel {
    second = nil
    return try Channel(try takeFirst(), options)
  }

  /// Opens the second end, and closes the first in this process.
  ///
  /// - Throws: ``ChannelError/Code/closed`` when it was opened or taken already.
  public mutating func openSecond(_ options: Channel.Options = .init()) throws(ChannelError) -> Channel {
    first = nil
    return try Channel(try takeSecond(), options)
  }

  /// Takes the first end, to hand it to another process or to open it while the second stays.
  public mutating func takeFirst() throws(ChannelError) -> ChannelEndpoint {
    guard let end = first.take() else { throw .taken("takeFirst") }
    return end
  }

  /// Takes the second end, to hand it to another process or to open it while the first stays.
  public mutating func takeSecond() throws(ChannelError) -> ChannelEndpoint {
    guard let end = second.take() else { throw .taken("takeSecond") }
    return end
  }
}

extension ChannelPair {
  /// Keeps a System V segment attached, once for each end.
  mutating func keep(_ first: consuming Mapping, _ second: consuming Mapping) {
    self.first?.segment = .some(first)
    self.second?.segment = .some(second)
  }
}

extension Channel {
  /// Makes a connected pair of ends: for this process and a child, or whoever gets one passed.
  ///
  /// No name is left: names are unlinked before this returns, and System V segments are marked for removal. Only a
  /// System V queue cannot be hidden; its receiver removes it, and `ipc rm --stale` what a SIGKILL of both sides leaves.
  ///
  /// Fork every child before an end is opened: opening one over a queue, a file or shared memory, `ring` included, starts a
  /// thread, and a process with threads may not fork, see ``ForkedProcess``.
  ///
  /// - Throws: what creating the mechanism's objects throws; ``Mechanism/objectsPerChannel`` says how many there are.
  public static func pair(over mechanism: Mechanism) throws(InterprocessError) -> ChannelPair {
    try pair(over: mechanism, rings: RingForm())
  }

  /// - Parameter rings: what its rings are like, where it has rings.
  package static func pair(over mechanism: Mechanism, rings: RingForm) throws(InterprocessError) -> ChannelPair {
    switch mechanism {
    case .pipe: try .pipes(.pipe, Self.pipeEnds)
    case .namedPipe: try .pipes(.namedPipe, Self.namedPipeEnds)
    case .socketPair: .sockets(.socketPair, try OwnedDescriptor.unixSocketPair(.stream))
    case .unixSocket: .sockets(.unixSocket, try Self.unixSocketEnds())
    case .posixMessageQueue: try .posixQueues()
    case .systemVMessageQueue: try .systemVQueues()
    case .file: try .fileMailbox()
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring:
      try .rings(mechanism, rings)
    }
  }

  /// A pipe: the end to read, the end to write.
  private static func pipeEnds() throws(InterprocessError) -> ReceivedDescriptors {
    var ends: (CInt, CInt) = (-1, -1)
    try systemCall("pipe2", nil) {
      withUnsafeMutableBytes(of: &ends) { ci_pipe2($0.baseAddress?.assumingMemoryBound(to: CInt.self), O_CLOEXEC) }
    }
    return ReceivedDescriptors(adopting: [ends.0, ends.1])
  }

  /// A FIFO, opened at both ends, whose name is gone already.
  private static func namedPipeEnds() throws(InterprocessError) -> ReceivedDescriptors {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("channel")
    try NamedPipe.create(at: path)
    // Both ways at first: opening one end would wait for the other.
    let both = try OwnedDescriptor(openingFile: path, O_RDWR)
    let reader = try OwnedDescriptor(openingFile: path, O_RDONLY)
    let writer = try OwnedDescriptor(openingFile: path, O_WRONLY)
    _ = both.rawValue
    return ReceivedDescriptors(adopting: [reader.release().rawValue, writer.release().rawValue])
  }

  /// A connection between two sockets, made by a name that is gone already.
  private static func unixSocketEnds() throws(InterprocessError) -> (CInt, CInt) {
    let directory = try TemporaryDirectory()
    let address = UnixSocketAddress.path(directory.path.appending("channel"))
    let listener = try UnixListener(at: address, backlog: 1)
    let client = try UnixSocket(connectingTo: address)
    let server = try listener.accept(timeout: .seconds(10))
    return (server.takeNumber(), client.takeNumber())
  }
}

extension UnixSocket {
  fileprivate consuming func takeNumber() -> CInt { takeDescriptor().release().rawValue }
}

extension String {
  /// A name for an object that loses it at once.
  static var uniqueObjectName: String { "/interprocess-\(UInt64.random(in: 0 ... .max))" }
}

extension ChannelPair {
  /// - Parameter make: gives the end to read and the end to write of a pipe.
  fileprivate static func pipes(
    _ mechanism: Mechanism, _ make: () throws(InterprocessError) -> ReceivedDescriptors
  ) throws(InterprocessError) -> ChannelPair {
    var there = try make()
    var back = try make()
    var first = ReceivedDescriptors(atMost: 2)
    var second = ReceivedDescriptors(atMost: 2)
    second.moveFirst(from: &there)
    first.moveFirst(from: &back)
    first.moveFirst(from: &there)
    second.moveFirst(from: &back)
    return ChannelPair(
      ChannelEndpoint(mechanism, isFirst: true, first), ChannelEndpoint(mechanism, isFirst: false, second))
  }

  fileprivate static func sockets(_ mechanism: Mechanism, _ ends: (CInt, CInt)) -> ChannelPair {
    ChannelPair(
      ChannelEndpoint(mechanism, isFirst: true, ReceivedDescriptors(adopting: [ends.0])),
      ChannelEndpoint(mechanism, isFirst: false, ReceivedDescriptors(adopting: [ends.1])))
  }

  /// Ends over objects that both have, each with its end of the sockets by which it knows that the other lives, and of
  /// further pairs.
  static func shared(
    _ mechanism: Mechanism, numbers: [CInt] = [], pairs: Int = 0, _ objects: consuming ReceivedDescriptors
  ) throws(InterprocessError) -> ChannelPair {
    var first = ReceivedDescriptors(atMost: .max)
    var second = ReceivedDescriptors(atMost: .max)
    for _ in 0...pairs {
      let ends = try OwnedDescriptor.unixSocketPair(.stream)
      first.adopt([ends.0])
      second.adopt([ends.1])
    }
    for object in objects.fileDescriptors {
      try first.adoptCopy(of: object.rawValue)
      try second.adoptCopy(of: object.rawValue)
    }
    return ChannelPair(
      ChannelEndpoint(mechanism, isFirst: true, numbers: numbers, first),
      ChannelEndpoint(mechanism, isFirst: false, numbers: numbers, second))
  }

  fileprivate static func posixQueues() throws(InterprocessError) -> ChannelPair {
    var pair = try shared(.posixMessageQueue, QueueSizes.makePOSIXQueues())
    let share = QueueShare()
    pair.first?.share = share
    pair.second?.share = share
    return pair
  }

  fileprivate static func systemVQueues() throws(InterprocessError) -> ChannelPair {
    let there = try SystemVMessageQueue()
    do throws(InterprocessError) {
      let back = try SystemVMessageQueue()
      do throws(InterprocessError) {
        var pair = try shared(.systemVMessageQueue, numbers: [there.id, back.id], ReceivedDescriptors(atMost: 0))
        let made = MadeQueues()
        pair.first?.madeQueues = made
        pair.second?.madeQueues = made
        return pair
      } catch {
        try? back.remove()
        throw error
      }
    } catch {
      try? there.remove()
      throw error
    }
  }

  fileprivate static func fileMailbox() throws(InterprocessError) -> ChannelPair {
    let temporary = try TemporaryFile()
    let file = try OwnedDescriptor(openingFile: temporary.path, O_WRONLY)
    // Its place on the disk is taken now, so that a full disk is an error here and not in the middle of a message.
    try file.allocate(FileCircle.capacity, "\"\(temporary.path)\"")
    let places = try Ring.create(
      capacity: FileCircle.ringCapacity, label: "interprocess-channel", isAsymmetric: false)
    var pair = try shared(.file, pairs: 1, ReceivedDescriptors(copying: [places.descriptor.rawValue]))
    // Opened for each of them: whether it appends, for instance, is no business of the other's.
    let reader = try OwnedDescriptor(openingFile: temporary.path, O_RDONLY)
    pair.first?.descriptors.adopt([file.release().rawValue])
    pair.second?.descriptors.adopt([reader.release().rawValue])
    return pair
  }
}

extension ChannelError {
  fileprivate static func taken(_ call: String) -> ChannelError {
    ChannelError(
      .closed, "this end was opened or taken already, or closed as the other was opened; \(call)() comes first")
  }
}
