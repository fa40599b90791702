import Glibc
import SystemPackage

extension Channel {
  /// Opens an end of a pair. What it owned belongs to the channel then.
  ///
  /// - Throws: ``ChannelError/Code/malformedMessage`` when it came from another process, and is incomplete.
  public convenience init(_ end: consuming ChannelEndpoint, _ options: Options = .init()) throws(ChannelError) {
    switch end.mechanism {
    case .pipe: try self.init(pipes: end, .pipe, options)
    case .namedPipe: try self.init(pipes: end, .fifo, options)
    case .socketPair, .unixSocket: try self.init(socket: end, options)
    case .posixMessageQueue: try self.init(posixQueues: end, options)
    case .systemVMessageQueue: try self.init(systemVQueues: end, options)
    case .file: try self.init(file: end, options)
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring:
      try self.init(rings: end, options)
    }
  }

  /// A channel over a socket that is connected already: to a Python program, for instance, whose
  /// `multiprocessing.connection` frames its messages the same way.
  public convenience init(_ socket: consuming UnixSocket, _ options: Options = .init()) throws(ChannelError) {
    let number = socket.takeDescriptor().release().rawValue
    try self.init(ChannelEndpoint(.unixSocket, isFirst: true, ReceivedDescriptors(adopting: [number])), options)
  }

  /// A channel over two pipes, or over one for one way.
  ///
  /// A pipe that holds what pipes usually hold, or more, is made to hold 512 KiB when the first message of a page or more goes
  /// into it, if the user may; one that was made smaller stays so.
  public convenience init(
    reading reader: consuming Pipe.Reader? = nil, writing writer: consuming Pipe.Writer? = nil,
    _ options: Options = .init()
  ) throws(ChannelError) {
    var incoming: StreamIncomingLine?
    if let reader = consume reader {
      incoming = StreamIncomingLine(DescriptorSource(reader.takeDescriptor(), .pipe))
    }
    var outgoing: StreamOutgoingLine?
    if let writer = consume writer {
      outgoing = StreamOutgoingLine(DescriptorSink(writer.takeDescriptor(), .pipe))
    }
    try self.init(adopting: .pipe, options, outgoing, incoming, nil)
  }

  private convenience init(
    adopting mechanism: Mechanism, _ options: Options, _ outgoing: (any OutgoingLine)?,
    _ incoming: (any IncomingLine)?, _ peer: PeerLife?
  ) throws(ChannelError) {
    do {
      try self.init(mechanism, options, outgoing: outgoing, incoming: incoming, peer: peer)
    } catch {
      throw ChannelError(error)
    }
  }

  private convenience init(
    pipes end: consuming ChannelEndpoint, _ kind: DuctKind, _ options: Options
  ) throws(ChannelError) {
    let mechanism = end.mechanism
    guard let reader = end.descriptors.takeFirst(), let writer = end.descriptors.takeFirst() else {
      throw .missingDescriptors
    }
    try self.init(
      adopting: mechanism, options, StreamOutgoingLine(DescriptorSink(writer, kind)),
      StreamIncomingLine(DescriptorSource(reader, kind)), nil)
  }

  private convenience init(socket end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let mechanism = end.mechanism
    guard let socket = end.descriptors.takeFirst() else { throw .missingDescriptors }
    // One descriptor for each direction, so that each line owns one. The stream ends when both are closed.
    let copy: OwnedDescriptor
    do {
      copy = try socket.copy()
    } catch {
      throw ChannelError(error)
    }
    try self.init(
      adopting: mechanism, options, StreamOutgoingLine(DescriptorSink(copy, .socket)),
      StreamIncomingLine(DescriptorSource(socket, .socket), carriesDescriptors: true), nil)
  }

  private convenience init(posixQueues end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let (isFirst, share) = (end.isFirst, end.share)
    let peer = try end.takeLife()
    guard let there = end.descriptors.takeFirst(), let back = end.descriptors.takeFirst() else {
      throw .missingDescriptors
    }
    do {
      let outgoing = try POSIXQueueOutgoingLine(isFirst ? there.copy() : back.copy(), peer, share)
      let incoming = try POSIXQueueIncomingLine(isFirst ? back.copy() : there.copy(), peer)
      try self.init(.posixMessageQueue, options, outgoing: outgoing, incoming: incoming, peer: peer)
    } catch {
      throw ChannelError(error)
    }
  }

  private convenience init(systemVQueues end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let peer = try end.takeLife()
    guard end.numbers.count == 2 else { throw .missingDescriptors }
    let (there, back) = (end.numbers[0], end.numbers[1])
    if end.madeQueues == nil {
      // What a stranger says are ids, in whose queues this process reads and which it removes.
      for id in end.numbers { try peer.checkMaker(ofQueue: id) }
    }
    try self.init(
      adopting: .systemVMessageQueue, options,
      SystemVQueueOutgoingLine(id: end.isFirst ? there : back, peer),
      SystemVQueueIncomingLine(id: end.isFirst ? back : there, peer), peer)
  }

  private convenience init(file end: consuming ChannelEndpoint, _ options: Options) throws(ChannelError) {
    let isSender = end.isFirst
    let peer = try end.takeLife()
    let bell = try end.takeSocket()
    guard let memory = end.descriptors.takeFirst() else { throw .missingDescriptors }
    let file = try end.takeFile()
    do {
      let mapping = try AnonymousMemory(adopting: memory).takeMapping()
      if isSender {
        let producer = try RingProducer(attachingTo: mapping, at: 0, .socket(bell))
        let line = FileOutgoingLine(file, producer, peer)
        try self.init(.file, options, outgoing: line, incoming: nil, peer: peer)
      } else {
        let consumer = try RingConsumer(attachingTo: mapping, at: 0, .socket(bell))
        let line = FileIncomingLine(file, consumer, peer)
        try self.init(.file, options, outgoing: nil, incoming: line, peer: peer)
      }
    } catch {
      throw ChannelError(error)
    }
  }
}

extension ChannelEndpoint {
  /// The socket by which this side knows that the other lives.
  mutating func takeLife() throws(ChannelError) -> PeerLife {
    PeerLife(try takeSocket())
  }

  /// One end of a pair of sockets. Whoever made this end may have put something else in its place.
  mutating func takeSocket() throws(ChannelError) -> OwnedDescriptor { try takeFirst(S_IFSOCK) }

  /// A regular file, as which nothing is there to wait for. Whoever made this end may have put something else in its place.
  mutating func takeFile() throws(ChannelError) -> OwnedDescriptor { try takeFirst(S_IFREG) }

  private mutating func takeFirst(_ kind: mode_t) throws(ChannelError) -> OwnedDescriptor {
    guard let descriptor = descriptors.takeFirst() else { throw .missingDescriptors }
    var status = stat()
    guard fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == kind else { throw .strangeDescriptors }
    return descriptor
  }
}
