import CInterprocess
import Glibc
import SystemPackage

extension SystemVMessageQueue {
  /// Sends a message; the task is suspended while the queue is full.
  ///
  /// The corresponding C function is `msgsnd`. It waits on a thread of its own, since there is no descriptor to wait for.
  /// See ``send(_:type:timeout:)-([UInt8],_,_)``.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled first: the message was not sent then.
  public func send(_ message: [UInt8], type: Int, timeout: Duration? = nil) async throws {
    if try trySend(message.span.bytes, type: type) { return }
    let id = id
    let result = try await WaitingThread.call(until: Deadline(timeout)) {
      message.withUnsafeBytes { bytes in singleCall { Int(ci_msgsnd(id, type, bytes.baseAddress, bytes.count, 0)) } }
    }
    try check("msgsnd", size: message.count, type: type) { result }
  }

  /// Receives the next message of a selection; the task is suspended while there is none.
  ///
  /// The corresponding C function is `msgrcv`. It waits on a thread of its own, since there is no descriptor to wait for.
  /// See the blocking `receive(_:timeout:)`.
  ///
  /// - Throws: ``InterprocessError``; `CancellationError` when the task is cancelled before a message came: none is lost,
  ///   one that came at the same moment is returned.
  public func receive(_ selection: Selection = .any, timeout: Duration? = nil) async throws -> Message {
    if let message = try tryReceive(selection) { return message }
    let (wanted, flags, most) = (try selection.number(), selection.flags(truncating: false), Self.largestMessage)
    let id = id
    let result = try await WaitingThread.call(until: Deadline(timeout)) {
      Self.receiveOnce(id, most, wanted, flags)
    }
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
