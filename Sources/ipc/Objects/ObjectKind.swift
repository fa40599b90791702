import ArgumentParser

/// The kinds of objects by which unrelated processes find each other.
enum ObjectKind: String, CaseIterable {
  case posixMessageQueue = "posix-message-queue"
  case posixSharedMemory = "posix-shared-memory"
  case posixSemaphore = "posix-semaphore"
  case systemVMessageQueue = "system-v-message-queue"
  case systemVSharedMemory = "system-v-shared-memory"
  case systemVSemaphore = "system-v-semaphore"
  case unixSocket = "unix-socket"
  case namedPipe = "named-pipe"

  /// The kinds of which the kernel keeps a list. A FIFO is a file, anywhere in the file system.
  static let listed = allCases.filter { $0 != .namedPipe }

  /// - Throws: an error that suggests the nearest kind.
  init(named name: String) throws {
    if let kind = ObjectKind(rawValue: name) {
      self = kind
      return
    }
    let suggestion = Self.allCases.map(\.rawValue).nearest(to: name).map { "; did you mean \($0)?" } ?? ""
    throw ValidationError("\(name.quoted): there is no such kind\(suggestion)")
  }

  /// Whether its objects have a key and a number in place of a name.
  var isSystemV: Bool {
    switch self {
    case .systemVMessageQueue, .systemVSharedMemory, .systemVSemaphore: true
    default: false
    }
  }

  /// Whether its objects are named as `mq_open`, `shm_open` and `sem_open` take names.
  var isPOSIX: Bool {
    switch self {
    case .posixMessageQueue, .posixSharedMemory, .posixSemaphore: true
    default: false
    }
  }
}
