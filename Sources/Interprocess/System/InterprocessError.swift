public import SystemPackage

/// Why a call failed: which call, on which object, the system's reason and, where there is one, what to do about it.
///
/// Whatever of this package stands for a system call throws this type; a ``Channel`` has it inside its ``ChannelError``. Its
/// description is one line, for example
/// `mq_open("/pi"): Invalid argument: maximumMessages 64 is above fs.mqueue.msg_max (10); raise it with sysctl or ask
/// for 10`.
public struct InterprocessError: Error, Hashable, Sendable {
  /// The C function that failed, or the Swift one where the request was refused before it reached the system.
  public let call: String

  /// The object it was called on, as a person would name it: `"/pi"`, `key 0x70690001`, `descriptor 4`.
  public let object: String?

  /// The system's reason. A call that waited for the whole of its `timeout` has the reason `Errno.timedOut`.
  public let errno: Errno

  /// What the caller, or whoever runs the machine, can do about it.
  public let remedy: String?

  public init(call: String, object: String? = nil, errno: Errno, remedy: String? = nil) {
    self.call = call
    self.object = object
    self.errno = errno
    self.remedy = remedy
  }

  /// Whether the call gave up because its `timeout` had passed.
  public var isTimeout: Bool { errno == .timedOut }

  /// Whether this process, user or machine has no descriptor, thread or memory left, for now.
  package var isLackOfResources: Bool {
    [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noSpace, .noMemory, .resourceTemporarilyUnavailable].contains(errno)
  }
}

extension InterprocessError: CustomStringConvertible {
  public var description: String {
    let place = object.map { "\(call)(\($0))" } ?? call
    guard let remedy else { return "\(place): \(errno)" }
    return "\(place): \(errno): \(remedy)"
  }
}
