import CInterprocess
import Glibc
import SystemPackage

extension SystemVMessageQueue {
  /// Sends a message; the task is suspended while the queue is full.
  ///
  /// The corresponding C function is `msgsnd`. It waits on a thread of its own, with a copy of the message, since there
  /// is no descriptor to wait for. See ``send(_:type:timeout:)-(RawSpan,_,_)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled first: the message was not sent then.
  public nonisolated(nonsending) func send(_ message: RawSpan, type: Int, timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    if try trySend(message, type: type) { return }
    try await sendOnThread(message.withUnsafeBytes { Array($0) }, type, by: Deadline(timeout))
  }

  /// Sends a message; the task is suspended while the queue is full. See `send(_:type:timeout:)`.
  public nonisolated(nonsending) func send(_ message: [UInt8], type: Int, timeout: Duration? = nil) async throws {
    try Task.checkCancellation()
    if try trySend(message.span.bytes, type: type) { return }
    try await sendOnThread(message, type, by: Deadline(timeout))
  }

  private nonisolated(nonsending) func sendOnThread(_ message: [UInt8], _ type: Int, by deadline: Deadline) async throws
  {
    let id = id
    let result = try await WaitingThread.call(until: deadline) {
      message.withUnsafeBytes { bytes in singleCall { Int(ci_msgsnd(id, type, bytes.baseAddress, bytes.count, 0)) } }
    }
    try check("msgsnd", size: message.count, type: type) { result }
  }

  /// Receives the next message of a selection and appends it to `buffer`; the task is suspended while there is none.
  ///
  /// The corresponding C function is `msgrcv`. It waits on a thread of its own, with a buffer of its own, since there is
  /// no descriptor to wait for. See ``receive(_:into:truncating:timeout:)``.
  ///
  /// - Returns: the message's type.
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled before a message came: none is lost,
  ///   one that came at the same moment is returned.
  @discardableResult
  public nonisolated(nonsending) func receive(
    _ selection: Selection = .any, into buffer: inout OutputRawSpan, truncating: Bool = false, timeout: Duration? = nil
  ) async throws -> Int {
    try Task.checkCancellation()
    if let type = try tryReceive(selection, into: &buffer, truncating: truncating) { return type }
    let message = try await receiveOnThread(
      try selection.number(), selection.flags(truncating: truncating), upTo: buffer.freeCapacity, by: Deadline(timeout))
    buffer.appendBytes { free in
      free.copyBytes(from: message.bytes)
      return (count: message.bytes.count, answer: ())
    }
    return message.type
  }

  /// Receives the next message of a selection; the task is suspended while there is none.
  ///
  /// See `receive(_:into:truncating:timeout:)`.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled before a message came: none is lost,
  ///   one that came at the same moment is returned.
  public nonisolated(nonsending) func receive(
    _ selection: Selection = .any, timeout: Duration? = nil
  ) async throws -> Message {
    try Task.checkCancellation()
    let deadline = Deadline(timeout)
    if let message = try tryReceive(selection) { return message }
    let (wanted, flags) = (try selection.number(), selection.flags(truncating: false))
    var room = MessageRoom()
    while true {
      do {
        return try await receiveOnThread(wanted, flags, upTo: room.byteCount, by: deadline)
      } catch let error as InterprocessError where error.errno == .argListTooLong && room.grow() {
        // It stays in the queue.
      }
    }
  }

  private nonisolated(nonsending) func receiveOnThread(
    _ wanted: Int, _ flags: CInt, upTo most: Int, by deadline: Deadline
  ) async throws -> Message {
    let id = id
    let result = try await WaitingThread.call(until: deadline) { Self.receiveOnce(id, most, wanted, flags) }
    if case .success(let message) = result { return message }
    try check("msgrcv", size: most, type: nil) { result.map(\.bytes.count) }
    throw InterprocessError(call: "msgrcv", object: described, errno: .noMessage)
  }

  private static func receiveOnce(_ id: CInt, _ most: Int, _ wanted: Int, _ flags: CInt) -> Result<Message, Errno> {
    var type = 0
    var result = Result<Int, Errno>.success(0)
    let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
      result = singleCall { ci_msgrcv(id, &type, buffer.baseAddress, buffer.count, wanted, flags) }
      if case .success(let received) = result { count = received }
    }
    return result.map { _ in Message(bytes: bytes, type: type) }
  }
}
