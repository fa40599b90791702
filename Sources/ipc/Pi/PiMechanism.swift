/// A way for the children's sums to reach their parent.
enum PiMechanism: String, CaseIterable {
  case file
  case mappedFile = "mapped-file"
  case pipe
  case namedPipe = "named-pipe"
  case socketPair = "socket-pair"
  case unixSocket = "unix-socket"
  case posixMessageQueue = "posix-message-queue"
  case systemVMessageQueue = "system-v-message-queue"
  case posixSharedMemory = "posix-shared-memory"
  case systemVSharedMemory = "system-v-shared-memory"
  case anonymousMemory = "anonymous-memory"
  case ring

  var carrier: any SumCarrier.Type {
    switch self {
    case .file: PiByFile.self
    case .mappedFile: PiByMappedFile.self
    case .pipe: PiByPipe.self
    case .namedPipe: PiByNamedPipe.self
    case .socketPair: PiBySocketPair.self
    case .unixSocket: PiByUnixSocket.self
    case .posixMessageQueue: PiByPOSIXMessageQueue.self
    case .systemVMessageQueue: PiBySystemVMessageQueue.self
    case .posixSharedMemory: PiByPOSIXSharedMemory.self
    case .systemVSharedMemory: PiBySystemVSharedMemory.self
    case .anonymousMemory: PiByAnonymousMemory.self
    case .ring: PiByRing.self
    }
  }
}

/// What each mechanism does its own way: fork the team's children and bring their sums to the parent.
protocol SumCarrier {
  /// - Returns: the partial sums, by worker.
  static func partialSums(by team: inout Team) throws -> [Double]
}
