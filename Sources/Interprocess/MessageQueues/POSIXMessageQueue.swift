public import CInterprocess
import Glibc
public import SystemPackage

/// A POSIX message queue: whole messages with a priority, kept by the kernel under a name until it is unlinked.
///
/// Any number of processes may send and receive; a message goes to one of them, the highest priority first, the oldest
/// first among equals. Opening, closing and unlinking are separate: a queue that goes out of scope is closed, and keeps
/// its name and its messages; ``unlink(_:)`` removes the name, and the kernel frees the queue once nobody has it open.
///
/// ```swift
/// let queue = try POSIXMessageQueue(creating: "/jobs", maximumMessageSize: 64)
/// try queue.send(Array("hello".utf8), priority: 3)
/// let message = try queue.receive()
/// try POSIXMessageQueue.unlink("/jobs")
/// ```
public struct POSIXMessageQueue: ~Copyable, Sendable {
  /// What a process may do with a queue that it opens.
  public enum Access: Hashable, Sendable {
    case readOnly
    case writeOnly
    case readWrite

    fileprivate var flag: CInt {
      switch self {
      case .readOnly: O_RDONLY
      case .writeOnly: O_WRONLY
      case .readWrite: O_RDWR
      }
    }
  }

  /// A message and the priority it was sent with.
  public struct Message: Hashable, Sendable {
    public let bytes: [UInt8]
    public let priority: UInt32
  }

  /// The queue's name, with its slash.
  public let name: String

  /// How many messages it holds before sending waits.
  public let maximumMessages: Int

  /// The largest message it takes, in bytes.
  public let maximumMessageSize: Int

  public private(set) var descriptor: OwnedDescriptor

  /// Creates a queue that did not exist before.
  ///
  /// The corresponding C function is `mq_open` with `O_CREAT | O_EXCL`.
  ///
  /// - Parameters:
  ///   - name: one slash and up to 255 bytes without another.
  ///   - maximumMessages: how many messages it holds before sending waits; at most `fs.mqueue.msg_max`.
  ///   - maximumMessageSize: the largest message in bytes; at most `fs.mqueue.msgsize_max`.
  ///   - permissions: who may open it, less the process's umask.
  /// - Throws: `Errno.fileExists`; `Errno.invalidArgument` past a limit, which the remedy names;
  ///   `Errno.tooManyOpenFiles` when the user's queues would take more than `RLIMIT_MSGQUEUE` bytes.
  public init(
    creating name: String, access: Access = .readWrite, maximumMessages: Int = 10, maximumMessageSize: Int = 8192,
    permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(
      name, access.flag | O_CREAT | O_EXCL, maximumMessages, maximumMessageSize, permissions)
  }

  /// Opens the queue, creating it if there is none. An existing queue keeps the limits it was created with.
  ///
  /// The corresponding C function is `mq_open` with `O_CREAT`. Parameters and errors are those of creating, without
  /// `Errno.fileExists`.
  public init(
    creatingIfAbsent name: String, access: Access = .readWrite, maximumMessages: Int = 10,
    maximumMessageSize: Int = 8192, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(name, access.flag | O_CREAT, maximumMessages, maximumMessageSize, permissions)
  }

  /// Opens a queue that exists.
  ///
  /// The corresponding C function is `mq_open`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public init(opening name: String, access: Access = .readWrite) throws(InterprocessError) {
    try self.init(name, access.flag, nil, nil, [])
  }

  private init(
    _ name: String, _ flags: CInt, _ maximumMessages: Int?, _ maximumMessageSize: Int?, _ permissions: FilePermissions
  ) throws(InterprocessError) {
    let checked = try ObjectName(checking: name, for: "mq_open")
    var attributes = mq_attr()
    attributes.mq_maxmsg = maximumMessages ?? 0
    attributes.mq_msgsize = maximumMessageSize ?? 0
    func remedy(_ reason: Errno) -> String? {
      Self.openRemedy(reason, maximumMessages, maximumMessageSize)
    }
    let queue = OwnedDescriptor(
      adopting: try systemCall("mq_open", checked.quoted, remedy: remedy) {
        ci_mq_open(name, flags | O_CLOEXEC, permissions.rawValue, &attributes)
      })
    do {
      try systemCall("mq_getattr", checked.quoted) { mq_getattr(queue.rawValue, &attributes) }
    } catch {
      if flags & O_EXCL != 0 { mq_unlink(name) }
      throw error
    }
    self.name = name
    self.maximumMessages = attributes.mq_maxmsg
    self.maximumMessageSize = attributes.mq_msgsize
    descriptor = queue
  }

  private static func openRemedy(_ reason: Errno, _ messages: Int?, _ size: Int?) -> String? {
    switch reason {
    case .invalidArgument:
      for (label, value, limit) in [
        ("maximumMessages", messages, KernelParameter("fs.mqueue.msg_max")),
        ("maximumMessageSize", size, KernelParameter("fs.mqueue.msgsize_max")),
      ] {
        guard let value else { continue }
        if value <= 0 { return "\(label) \(value) has to be positive" }
        if let most = limit.value, value > most {
          return "\(label) \(value) is above \(limit.described); raise it with sysctl or ask for \(most)"
        }
      }
      return nil
    case .tooManyOpenFiles:
      let bytes = ResourceLimit.messageQueueBytes.current.map { " (\($0) bytes)" } ?? ""
      return "this user's queues would take more than RLIMIT_MSGQUEUE\(bytes), or the process has no descriptor left; "
        + "ask for fewer or smaller messages, unlink queues, or raise ulimit -q"
    case .noSpace: return "the machine has \(KernelParameter("fs.mqueue.queues_max").described) queues; unlink some"
    default: return namingRemedy(for: reason, kind: "queue")
    }
  }

  /// Sends a message, waiting while the queue is full.
  ///
  /// The corresponding C function is `mq_send`, with a timeout `mq_timedsend` and `poll`.
  ///
  /// - Parameters:
  ///   - message: at most ``maximumMessageSize`` bytes; may be empty.
  ///   - priority: higher ones are received first; 0 to 32767.
  ///   - timeout: how long to wait for room; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.messageTooLong`; `Errno.badFileDescriptor` when opened read-only.
  @inlinable
  public func send(_ message: RawSpan, priority: UInt32 = 0, timeout: Duration? = nil) throws(InterprocessError) {
    if timeout == nil {
      let result = message.withUnsafeBytes {
        ci_mq_send(descriptor.rawValue, $0.baseAddress, $0.count, priority, nil)
      }
      if _fastPath(result == 0) { return }
    }
    try sendCarefully(message, priority, timeout)
  }

  @usableFromInline
  func sendCarefully(_ message: RawSpan, _ priority: UInt32, _ timeout: Duration?) throws(InterprocessError) {
    guard let timeout else {
      let size = message.byteCount
      func remedy(_ reason: Errno) -> String? { sendRemedy(reason, size, priority) }
      try systemCall("mq_send", quotedName, remedy: remedy) {
        message.withUnsafeBytes { ci_mq_send(descriptor.rawValue, $0.baseAddress, $0.count, priority, nil) }
      }
      return
    }
    let deadline = Deadline(timeout)
    while try !trySend(message, priority: priority) {
      guard try descriptor.wait(until: .writable, by: deadline) else {
        throw InterprocessError(call: "mq_send", object: quotedName, errno: .timedOut, remedy: "the queue is full")
      }
    }
  }

  /// Sends a message. See `send(_:priority:timeout:)`.
  public func send(_ message: [UInt8], priority: UInt32 = 0, timeout: Duration? = nil) throws(InterprocessError) {
    try send(message.span.bytes, priority: priority, timeout: timeout)
  }

  /// Sends a message if there is room for it now.
  ///
  /// The corresponding C function is `mq_timedsend` with a deadline that has passed.
  ///
  /// - Returns: whether it was sent.
  public func trySend(_ message: RawSpan, priority: UInt32 = 0) throws(InterprocessError) -> Bool {
    let size = message.byteCount
    func remedy(_ reason: Errno) -> String? { sendRemedy(reason, size, priority) }
    return try orNilIfItWouldWait("mq_send", remedy: remedy) { past in
      message.withUnsafeBytes {
        Int(ci_mq_send(descriptor.rawValue, $0.baseAddress, $0.count, priority, past))
      }
    } != nil
  }

  /// Receives the next message into `buffer`, waiting for one.
  ///
  /// The corresponding C function is `mq_receive`, with a timeout `mq_timedreceive` and `poll`.
  ///
  /// - Parameters:
  ///   - buffer: has room for ``maximumMessageSize`` bytes; the message is appended.
  ///   - timeout: how long to wait; `nil` waits for ever.
  /// - Returns: the message's priority.
  /// - Throws: `Errno.timedOut`; `Errno.messageTooLong` when `buffer` is too small: no message is lost;
  ///   `Errno.badFileDescriptor` when opened write-only.
  @discardableResult
  @inlinable
  public func receive(into buffer: inout OutputRawSpan, timeout: Duration? = nil) throws(InterprocessError) -> UInt32 {
    if timeout == nil {
      var priority: CUnsignedInt = 0
      let count = buffer.fill { ci_mq_receive(descriptor.rawValue, $0.baseAddress, $0.count, &priority, nil) }
      if _fastPath(count >= 0) { return UInt32(priority) }
    }
    return try receiveCarefully(into: &buffer, timeout)
  }

  @usableFromInline
  func receiveCarefully(
    into buffer: inout OutputRawSpan, _ timeout: Duration?
  ) throws(InterprocessError) -> UInt32 {
    guard let timeout else {
      func remedy(_ reason: Errno) -> String? { receiveRemedy(reason) }
      var priority: CUnsignedInt = 0
      let result = buffer.append { free in
        valueOrErrno { ci_mq_receive(descriptor.rawValue, free.baseAddress, free.count, &priority, nil) }
      }
      try value(of: "mq_receive", quotedName, remedy: remedy, result)
      return UInt32(priority)
    }
    let deadline = Deadline(timeout)
    while true {
      if let priority = try tryReceive(into: &buffer) { return priority }
      guard try descriptor.wait(until: .readable, by: deadline) else {
        throw InterprocessError(call: "mq_receive", object: quotedName, errno: .timedOut)
      }
    }
  }

  /// Receives the next message, waiting for one. See `receive(into:timeout:)`.
  public func receive(timeout: Duration? = nil) throws(InterprocessError) -> Message {
    var priority: UInt32 = 0
    let bytes = try [UInt8](receivingUpTo: maximumMessageSize) { buffer throws(InterprocessError) in
      priority = try receive(into: &buffer, timeout: timeout)
    }
    return Message(bytes: bytes, priority: priority)
  }

  /// Receives the next message into `buffer` if there is one now.
  ///
  /// The corresponding C function is `mq_timedreceive` with a deadline that has passed.
  ///
  /// - Returns: the message's priority, or `nil` when the queue is empty.
  public func tryReceive(into buffer: inout OutputRawSpan) throws(InterprocessError) -> UInt32? {
    try buffer.appendBytes { storage throws(InterprocessError) in
      var priority: CUnsignedInt = 0
      func remedy(_ reason: Errno) -> String? { receiveRemedy(reason) }
      let count = try orNilIfItWouldWait("mq_receive", remedy: remedy) { past in
        ci_mq_receive(descriptor.rawValue, storage.baseAddress, storage.count, &priority, past)
      }
      return (count ?? 0, count.map { _ in UInt32(priority) })
    }
  }

  /// Receives the next message if there is one now. See ``tryReceive(into:)``.
  ///
  /// - Returns: `nil` when the queue is empty.
  public func tryReceive() throws(InterprocessError) -> Message? {
    var priority: UInt32?
    let bytes = try [UInt8](receivingUpTo: maximumMessageSize) { buffer throws(InterprocessError) in
      priority = try tryReceive(into: &buffer)
    }
    return priority.map { Message(bytes: bytes, priority: $0) }
  }

  /// Closes the queue in this process. The corresponding C function is `mq_close`.
  public mutating func close() throws(InterprocessError) {
    try descriptor.close()
  }

  /// Removes a queue's name. Whoever has it open goes on using it.
  ///
  /// The corresponding C function is `mq_unlink`.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`, `Errno.permissionDenied`.
  public static func unlink(_ name: String) throws(InterprocessError) {
    let checked = try ObjectName(checking: name, for: "mq_unlink")
    try systemCall("mq_unlink", checked.quoted, remedy: naming("queue")) { mq_unlink(name) }
  }

  var quotedName: String { "\"\(name)\"" }

  /// Calls `body` with a deadline in the past, and gives `nil` where it would have waited.
  private func orNilIfItWouldWait(
    _ call: StaticString, remedy: (Errno) -> String?, _ body: (UnsafePointer<timespec>) -> Int
  ) throws(InterprocessError) -> Int? {
    var past = timespec()
    switch valueOrErrno({ body(&past) }) {
    case .success(let value): return value
    case .failure(.timedOut), .failure(.wouldBlock): return nil
    case .failure(let reason):
      throw InterprocessError(call: "\(call)", object: quotedName, errno: reason, remedy: remedy(reason))
    }
  }

  private func sendRemedy(_ reason: Errno, _ size: Int, _ priority: UInt32) -> String? {
    switch reason {
    case .messageTooLong: "the message has \(size) bytes, this queue takes \(maximumMessageSize)"
    case .invalidArgument: "priority \(priority) is above 32767"
    case .badFileDescriptor: "the queue is closed, or was opened read-only"
    default: nil
    }
  }

  private func receiveRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .messageTooLong: "the buffer needs room for maximumMessageSize (\(maximumMessageSize)) bytes"
    case .badFileDescriptor: "the queue is closed, or was opened write-only"
    default: nil
    }
  }
}
