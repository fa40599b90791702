import Synchronization

/// A call between its caller and the pool: what is sent, and what came of it.
final class PendingCall: Sendable {
  enum Answer: Sendable {
    /// The frame that answers it.
    case frame([UInt8])
    case granted(WorkerID)
    case failure(any Error)
  }

  private struct State {
    var answer: Answer?
    var continuation: CheckedContinuation<Answer, Never>?
    var reply: [UInt8]?
    var attempt = 0
  }

  let id: CallID
  let name: String
  let deadline: Duration?
  let frame: [UInt8]
  let onReport: (@Sendable ([UInt8]) -> Void)?
  private let state = Mutex(State())

  init(
    _ id: CallID, name: String, deadline: Duration?, frame: [UInt8], onReport: (@Sendable ([UInt8]) -> Void)?
  ) {
    self.id = id
    self.name = name
    self.deadline = deadline
    var frame = frame
    if frame.count >= Frame.headSize {
      frame.withUnsafeMutableBytes {
        $0.storeBytes(of: UInt64(id.rawValue).littleEndian, toByteOffset: 1, as: UInt64.self)
      }
    }
    self.frame = frame
    self.onReport = onReport
  }

  var attempt: Int {
    get { state.withLock { $0.attempt } }
    set { state.withLock { $0.attempt = newValue } }
  }

  /// Keeps what the worker answered, until the pool says that this is the call's answer.
  func keep(_ reply: [UInt8]) { state.withLock { $0.reply = reply } }
  func takeReply() -> [UInt8]? { state.withLock { $0.reply.take() } }

  /// Gives the call its one answer.
  func complete(_ answer: Answer) {
    let continuation = state.withLock { state -> CheckedContinuation<Answer, Never>? in
      state.answer = answer
      return state.continuation.take()
    }
    continuation?.resume(returning: answer)
  }

  /// The answer, if it is there.
  var answer: Answer? { state.withLock { $0.answer } }

  /// Suspends until the answer is there.
  func value() async -> Answer {
    await withCheckedContinuation { continuation in
      let answer = state.withLock { state -> Answer? in
        if let answer = state.answer { return answer }
        state.continuation = continuation
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }
}
