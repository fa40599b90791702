/// A way for bytes to travel between processes, and what it can do as a ``Channel``.
public enum Mechanism: String, CaseIterable, Hashable, Sendable, Codable {
  /// A temporary file, written and read by system calls: a mailbox. Where each message lies goes through a small ring
  /// beside it.
  case file
  /// A temporary file in both sides' memory: a mailbox.
  case mappedFile = "mapped-file"
  /// Two pipes.
  case pipe
  /// Two FIFOs.
  case namedPipe = "named-pipe"
  /// A pair of Unix sockets.
  case socketPair = "socket-pair"
  /// A connection to a Unix socket that listens.
  case unixSocket = "unix-socket"
  /// Two queues of POSIX (`mq_open`).
  case posixMessageQueue = "posix-message-queue"
  /// Two queues of System V (`msgget`).
  case systemVMessageQueue = "system-v-message-queue"
  /// Two rings in memory of `shm_open`.
  case posixSharedMemory = "posix-shared-memory"
  /// Two rings in a segment of `shmget`.
  case systemVSharedMemory = "system-v-shared-memory"
  /// Two rings in sealed memory without a name (`memfd_create`).
  case anonymousMemory = "anonymous-memory"
  /// As a channel the same as ``anonymousMemory``; see ``Ring`` for one by itself.
  case ring
}

extension Mechanism {
  /// Whether a channel over it goes both ways; `file` and `mappedFile` are mailboxes, with one end that sends and one
  /// that receives.
  public var isTwoWay: Bool { self != .file && self != .mappedFile }

  /// Whether a message can carry descriptors.
  public var carriesDescriptors: Bool { self == .socketPair || self == .unixSocket }

  /// Whether the object it is made of has a name by which strangers find it, until it is unlinked. A channel over any
  /// mechanism can be had by strangers all the same: ``ChannelListener`` hands them its end over a Unix socket.
  public var isNamed: Bool {
    switch self {
    case .file, .mappedFile, .namedPipe, .unixSocket, .posixMessageQueue, .systemVMessageQueue, .posixSharedMemory,
      .systemVSharedMemory:
      true
    case .pipe, .socketPair, .anonymousMemory, .ring: false
    }
  }

  /// Whether the kernel itself keeps messages apart. Where it does not, a channel frames them.
  public var keepsMessageBoundaries: Bool { self == .posixMessageQueue || self == .systemVMessageQueue }

  /// The largest message in bytes that the mechanism takes as a whole, by queues as a channel makes them at most; it cuts
  /// longer ones and joins them again. `nil` where there is no such limit.
  public var largestMessage: Int? {
    switch self {
    case .posixMessageQueue: QueueSizes.posixMessage
    case .systemVMessageQueue: SystemVMessageQueue.largestMessage
    default: nil
    }
  }

  /// Whether a program in another language can be the other end with nothing of this package: streams are framed as
  /// Python's `multiprocessing.connection` frames them.
  public var isReadableByOtherLanguages: Bool {
    switch self {
    case .pipe, .namedPipe, .socketPair, .unixSocket: true
    default: false
    }
  }

  /// How many objects of the system a channel over it is made of, both ways: queues, segments, counters and so on. A pair
  /// of sockets counts as one.
  ///
  /// POSIX queues are the scarce ones: those of all processes of a user share `RLIMIT_MSGQUEUE`, 819,200 bytes unless
  /// raised. The first channel of a process has queues of ten messages of 8192 bytes; more of them have smaller ones, 25
  /// kB a channel, so that some twenty-five fit. A pipe or FIFO holds 512 KiB, each way, from its first message of a page
  /// or more on, as long as the user's pipes stay within `fs.pipe-user-pages-soft`, 64 MiB by default. Over shared memory there are two megabytes, and half of
  /// one for a pool's worker, allocated at once but for segments of System V.
  public var objectsPerChannel: Int {
    switch self {
    case .socketPair, .unixSocket: 1
    case .pipe, .namedPipe: 2
    // Beside two queues, the sockets by which each side knows that the other lives.
    case .posixMessageQueue, .systemVMessageQueue: 3
    // A file, the memory with the ring that says where messages lie in it, and the sockets of mapped files.
    case .file: 4
    // The memory with a ring in it, sockets by which its sides ring for each other, and those that say who lives.
    case .mappedFile: 3
    // Two rings in the memory.
    case .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: 4
    }
  }
}

extension Mechanism: CustomStringConvertible {
  public var description: String { rawValue }
}
