public import CInterprocess
public import Glibc
public import SystemPackage

/// A System V message queue: whole messages with a type, kept by the kernel until the queue is removed.
///
/// A receiver chooses by type, so one queue can carry several conversations. A queue has no descriptor and nobody has it
/// open: it stays, with its messages, until somebody removes it, and then it is gone for everybody at once.
///
/// ```swift
/// let queue = try SystemVMessageQueue(creating: SystemVKey(file: "/etc/hostname", project: 1))
/// try queue.send(Array("hello".utf8), type: 7)
/// let message = try queue.receive(.type(7))
/// try queue.remove()
/// ```
public struct SystemVMessageQueue: ~Copyable, Sendable {
  /// Which message to receive.
  public enum Selection: Hashable, Sendable {
    /// The oldest, whatever its type.
    case any
    /// The oldest of exactly this type.
    case type(Int)
    /// The oldest of the lowest type that is not above this one.
    case notAbove(Int)
    /// The oldest of any type but this one (`MSG_EXCEPT`, Linux).
    case except(Int)

    /// What `msgrcv` takes where no flag is needed besides, and nothing can be wrong with it.
    @inlinable
    var numberWithoutFlags: Int? {
      switch self {
      case .any: 0
      case .type(let type) where type > 0: type
      default: nil
      }
    }

    /// `msgrcv` takes the three as zero, a positive and a negative number.
    func number() throws(InterprocessError) -> Int {
      switch self {
      case .any: return 0
      case .type(let type) where type > 0: return type
      case .except(let type) where type > 0: return type
      case .notAbove(let type) where type > 0: return -type
      case .type(let type), .notAbove(let type), .except(let type):
        throw .refused("msgrcv", "type \(type)", "types are positive numbers")
      }
    }

    func flags(truncating: Bool) -> CInt {
      let except = if case .except = self { ci_msg_except() } else { CInt(0) }
      return except | (truncating ? ci_msg_noerror() : 0)
    }
  }

  /// A message and the type it was sent with.
  public struct Message: Hashable, Sendable {
    public let bytes: [UInt8]
    public let type: Int
  }

  /// The kernel's number of the queue, which other processes can open it by.
  public let id: CInt

  /// What an error calls the queue.
  let described: String

  /// Creates a queue that did not exist before.
  ///
  /// The corresponding C function is `msgget` with `IPC_CREAT | IPC_EXCL`.
  ///
  /// - Throws: `Errno.fileExists`; `Errno.noSpace` when the machine has `kernel.msgmni` queues.
  public init(creating key: SystemVKey, permissions: FilePermissions = .ownerReadWrite) throws(InterprocessError) {
    try self.init(.key(key, flags: IPC_CREAT | IPC_EXCL), permissions)
  }

  /// Opens the queue, creating it if there is none.
  ///
  /// The corresponding C function is `msgget` with `IPC_CREAT`.
  public init(
    creatingIfAbsent key: SystemVKey, permissions: FilePermissions = .ownerReadWrite
  ) throws(InterprocessError) {
    try self.init(.key(key, flags: IPC_CREAT), permissions)
  }

  /// Opens a queue that exists.
  ///
  /// The corresponding C function is `msgget`.
  ///
  /// Whether this user may send or receive shows when it does.
  ///
  /// - Throws: `Errno.noSuchFileOrDirectory`.
  public init(opening key: SystemVKey) throws(InterprocessError) {
    try self.init(.key(key, flags: 0), [])
  }

  /// Creates a queue without a key, for this process, its children, and whoever is told its ``id``.
  ///
  /// The corresponding C function is `msgget` with `IPC_PRIVATE`.
  public init(permissions: FilePermissions = .ownerReadWrite) throws(InterprocessError) {
    try self.init(.isPrivate, permissions)
  }

  /// A queue by the number that its creator was given. Whether it exists shows when it is used.
  public init(id: CInt) {
    self.id = id
    described = "id \(id)"
  }

  private init(_ address: SystemVAddress, _ permissions: FilePermissions) throws(InterprocessError) {
    id = try systemCall("msgget", address.described, remedy: Self.openRemedy) {
      msgget(address.key, address.flags(permissions))
    }
    described = "\(address.described), id \(id)"
  }

  private static func openRemedy(_ reason: Errno) -> String? {
    reason == .noSpace
      ? "the machine has \(KernelParameter("kernel.msgmni").described) queues; remove some, ipcs -q lists them"
      : namingRemedy(for: reason, kind: "queue")
  }

  /// Sends a message, waiting while the queue is full.
  ///
  /// The corresponding C function is `msgsnd`. It has no timeout: with one, a timer's signal interrupts it.
  ///
  /// - Parameters:
  ///   - message: at most `kernel.msgmax` bytes (8192 unless raised); may be empty.
  ///   - type: a positive number.
  ///   - timeout: how long to wait for room; `nil` waits for ever.
  /// - Throws: `Errno.timedOut`; `Errno.identifierRemoved` when the queue is removed meanwhile; `Errno.permissionDenied`.
  @inlinable
  public func send(_ message: RawSpan, type: Int, timeout: Duration? = nil) throws(InterprocessError) {
    var reason: CInt = EINTR
    if timeout == nil {
      let result = message.withUnsafeBytes { ci_msgsnd(id, type, $0.baseAddress, $0.count, 0) }
      if _fastPath(result == 0) { return }
      // That the queue was removed meanwhile is told once.
      reason = errno
    }
    try sendCarefully(message, type, timeout, after: Errno(rawValue: reason))
  }

  /// - Parameter reason: why it has to be sent again, `Errno.interrupted`, or cannot be.
  @usableFromInline
  func sendCarefully(
    _ message: RawSpan, _ type: Int, _ timeout: Duration?, after reason: Errno
  ) throws(InterprocessError) {
    if reason != .interrupted { try check("msgsnd", size: message.byteCount, type: type) { .failure(reason) } }
    let deadline = Deadline(timeout)
    if !deadline.isNever, try trySend(message, type: type) { return }
    try check("msgsnd", size: message.byteCount, type: type) {
      message.withUnsafeBytes { storage in
        InterruptTimer.call(unlessNever: deadline) { Int(ci_msgsnd(id, type, storage.baseAddress, storage.count, 0)) }
      }
    }
  }

  /// Sends a message. See `send(_:type:timeout:)`.
  public func send(_ message: [UInt8], type: Int, timeout: Duration? = nil) throws(InterprocessError) {
    try send(message.span.bytes, type: type, timeout: timeout)
  }

  /// Sends a message if there is room for it now.
  ///
  /// The corresponding C function is `msgsnd` with `IPC_NOWAIT`.
  ///
  /// - Returns: whether it was sent.
  public func trySend(_ message: RawSpan, type: Int) throws(InterprocessError) -> Bool {
    let result = message.withUnsafeBytes { storage in
      valueOrErrno { ci_msgsnd(id, type, storage.baseAddress, storage.count, IPC_NOWAIT) }
    }
    if case .failure(.wouldBlock) = result { return false }
    try check("msgsnd", size: message.byteCount, type: type) { result.map(Int.init) }
    return true
  }

  /// Receives the next message of a selection into `buffer`, waiting for one.
  ///
  /// The corresponding C function is `msgrcv`. It has no timeout: with one, a timer's signal interrupts it.
  ///
  /// - Parameters:
  ///   - selection: which message to take.
  ///   - buffer: the message is appended to it.
  ///   - truncating: whether a message that does not fit loses what is too much, rather than staying in the queue.
  ///   - timeout: how long to wait; `nil` waits for ever.
  /// - Returns: the message's type.
  /// - Throws: `Errno.timedOut`; `Errno.argListTooLong` when the message does not fit into `buffer`: it stays in
  ///   the queue; `Errno.identifierRemoved` when the queue is removed meanwhile.
  @discardableResult @inlinable
  public func receive(
    _ selection: Selection = .any, into buffer: inout OutputRawSpan, truncating: Bool = false, timeout: Duration? = nil
  ) throws(InterprocessError) -> Int {
    var reason: CInt = EINTR
    if timeout == nil, !truncating, buffer.freeCapacity > 0, let wanted = selection.numberWithoutFlags {
      var type = 0
      let count = buffer.fill { ci_msgrcv(id, &type, $0.baseAddress, $0.count, wanted, 0) }
      if _fastPath(count >= 0) { return type }
      reason = errno
    }
    return try receiveCarefully(
      selection, into: &buffer, truncating: truncating, timeout, after: Errno(rawValue: reason))
  }

  /// - Parameter reason: why it has to be received again, `Errno.interrupted`, or cannot be.
  @usableFromInline
  func receiveCarefully(
    _ selection: Selection, into buffer: inout OutputRawSpan, truncating: Bool, _ timeout: Duration?,
    after reason: Errno
  ) throws(InterprocessError) -> Int {
    if reason != .interrupted { try check("msgrcv", size: buffer.freeCapacity, type: nil) { .failure(reason) } }
    let deadline = Deadline(timeout)
    if !deadline.isNever, let type = try tryReceive(selection, into: &buffer, truncating: truncating) { return type }
    let (wanted, flags) = (try selection.number(), selection.flags(truncating: truncating))
    return try buffer.appendBytes { storage throws(InterprocessError) in
      var type = 0
      let count = try check("msgrcv", size: storage.count, type: nil) {
        InterruptTimer.call(unlessNever: deadline) {
          ci_msgrcv(id, &type, storage.baseAddress, storage.count, wanted, flags)
        }
      }
      return (count, type)
    }
  }

  /// Receives the next message of a selection, of any size the kernel allows, waiting for one.
  ///
  /// See `receive(_:into:truncating:timeout:)`.
  public func receive(_ selection: Selection = .any, timeout: Duration? = nil) throws(InterprocessError) -> Message {
    let deadline = Deadline(timeout)
    var room = MessageRoom()
    while true {
      do throws(InterprocessError) {
        var type = 0
        let bytes = try [UInt8](receivingUpTo: room.byteCount) { buffer throws(InterprocessError) in
          type = try receive(selection, into: &buffer, timeout: deadline.remaining)
        }
        return Message(bytes: bytes, type: type)
      } catch  where error.errno == .argListTooLong && room.grow() {
        // It stays in the queue.
      }
    }
  }

  /// Receives the next message of a selection into `buffer` if there is one now.
  ///
  /// The corresponding C function is `msgrcv` with `IPC_NOWAIT`.
  ///
  /// - Returns: the message's type, or `nil` when there is none.
  public func tryReceive(
    _ selection: Selection = .any, into buffer: inout OutputRawSpan, truncating: Bool = false
  ) throws(InterprocessError) -> Int? {
    let (wanted, flags) = (try selection.number(), selection.flags(truncating: truncating) | IPC_NOWAIT)
    return try buffer.appendBytes { storage throws(InterprocessError) in
      var type = 0
      let result = valueOrErrno { ci_msgrcv(id, &type, storage.baseAddress, storage.count, wanted, flags) }
      if case .failure(.noMessage) = result { return (0, nil) }
      return (try check("msgrcv", size: storage.count, type: nil) { result }, type)
    }
  }

  /// Receives the next message of a selection if there is one now. See ``tryReceive(_:into:truncating:)``.
  ///
  /// - Returns: `nil` when there is none.
  public func tryReceive(_ selection: Selection = .any) throws(InterprocessError) -> Message? {
    var room = MessageRoom()
    while true {
      do throws(InterprocessError) {
        var type: Int?
        let bytes = try [UInt8](receivingUpTo: room.byteCount) { buffer throws(InterprocessError) in
          type = try tryReceive(selection, into: &buffer)
        }
        return type.map { Message(bytes: bytes, type: $0) }
      } catch  where error.errno == .argListTooLong && room.grow() {
        // It stays in the queue.
      }
    }
  }

  /// Removes the queue and its messages at once. Whoever waits on it gets `Errno.identifierRemoved`.
  ///
  /// The corresponding C function is `msgctl` with `IPC_RMID`.
  ///
  /// - Throws: `Errno.notPermitted` for another user's queue; `Errno.identifierRemoved` or `Errno.invalidArgument` when
  ///   it is gone already.
  public func remove() throws(InterprocessError) {
    try Self.remove(id, described)
  }

  /// Removes the queue with a number, of whatever user's.
  ///
  /// The corresponding C function is `msgctl` with `IPC_RMID`. See ``remove()``.
  public static func remove(id: CInt) throws(InterprocessError) {
    try remove(id, "id \(id)")
  }

  private static func remove(_ id: CInt, _ described: String) throws(InterprocessError) {
    try systemCall("msgctl", described, remedy: statusRemedy) { msgctl(id, IPC_RMID, nil) }
  }

  /// kernel.msgmax: no message is larger.
  static var largestMessage: Int { KernelParameter("kernel.msgmax").value ?? 8192 }

  @inline(__always) @discardableResult
  func check(
    _ call: StaticString, size: Int, type: Int?, _ body: () -> Result<Int, Errno>
  ) throws(InterprocessError) -> Int {
    switch body() {
    case .success(let count): return count
    case .failure(let reason):
      throw InterprocessError(
        call: "\(call)", object: described, errno: reason, remedy: useRemedy(reason, size: size, type: type))
    }
  }

  func useRemedy(_ reason: Errno, size: Int, type: Int?) -> String? {
    switch reason {
    case .invalidArgument:
      if let type, type <= 0 { return "type \(type) is not a positive number" }
      let limit = KernelParameter("kernel.msgmax")
      if type != nil, let most = limit.value, size > most {
        return "the message has \(size) bytes, above \(limit.described)"
      }
      return Self.statusRemedy(reason)
    case .argListTooLong: return "the next message is larger than the buffer's \(size) bytes; it stays in the queue"
    default: return Self.statusRemedy(reason) ?? generalRemedy(for: reason)
    }
  }

  static func statusRemedy(_ reason: Errno) -> String? {
    switch reason {
    case .invalidArgument: "there is no such queue any more"
    case .identifierRemoved: "the queue was removed"
    case .permissionDenied, .notPermitted: "the queue's owner and permissions do not let this user"
    default: nil
    }
  }
}
