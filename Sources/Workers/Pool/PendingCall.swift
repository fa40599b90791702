import Interprocess
import Synchronization

/// A call between its caller and the pool: what is sent, and what came of it.
final class PendingCall: Sendable {
  enum Answer: Sendable {
    case reply(CallReply)
    case granted(WorkerID)
    case failure(any Error)

    /// The reply, where it is a result.
    ///
    /// - Throws: the error that it is, or why there is none.
    func reply() throws -> CallReply {
      switch self {
      case .reply(let reply): return try reply.result()
      case .granted: throw WorkerCallError("a call was answered as a request to hold a worker")
      case .failure(let error): throw error
      }
    }
  }

  private struct State {
    var answer: Answer?
    /// Wakes the caller, where it is suspended. As a continuation it would have each use of this state ask at run time how
    /// large that is.
    var resume: (@Sendable (Answer) -> Void)?
    var reply: CallReply?
  }

  let id: CallID
  let name: String
  let deadline: Duration?
  let frame: CallFrame
  let onReport: (@Sendable ([UInt8]) -> Void)?
  private let state = Mutex(State())
  private let isAnswered = Atomic(false)
  // Relaxed: read where the answer is carried out, which comes after the sending, by way of the pool's lock; and by the
  // caller, who compares the worker with those that its own thread has sent to.
  private let lastAttempt = Atomic(0)
  private let lastWorker = Atomic(-1)
  #if Metrics
    let submitted = ContinuousClock.now
    /// When it was sent to its worker.
    let times = Mutex<ContinuousClock.Instant?>(nil)
  #endif

  init(
    _ id: CallID, name: String, deadline: Duration?, frame: consuming CallFrame,
    onReport: (@Sendable ([UInt8]) -> Void)?
  ) {
    self.id = id
    self.name = name
    self.deadline = deadline
    if frame.bytes.count >= Frame.headSize {
      frame.bytes.withUnsafeMutableBytes {
        $0.storeBytes(of: UInt64(id.rawValue).littleEndian, toByteOffset: 1, as: UInt64.self)
      }
    }
    self.frame = frame
    self.onReport = onReport
  }

  var attempt: Int { lastAttempt.load(ordering: .relaxed) }
  /// Where it was sent last.
  var worker: WorkerID? {
    let worker = lastWorker.load(ordering: .relaxed)
    return worker < 0 ? nil : WorkerID(rawValue: worker)
  }

  func noteSending(_ attempt: Int, to worker: WorkerID) {
    lastAttempt.store(attempt, ordering: .relaxed)
    lastWorker.store(worker.rawValue, ordering: .relaxed)
    #if Metrics
      times.withLock { $0 = .now }
    #endif
  }

  /// Whether it is a call, and not a request to hold a worker.
  var isMeasured: Bool { !frame.bytes.isEmpty }

  /// Keeps what the worker answered, until the pool says that this is the call's answer.
  func keep(_ reply: CallReply) { state.withLock { $0.reply = reply } }

  /// Gives the call the answer that was kept.
  func completeWithReply() {
    complete { $0.reply.take().map { .reply($0) } ?? .failure(FrameReader.Malformed()) }
  }

  /// Gives the call its one answer; the first counts.
  func complete(_ answer: Answer) {
    complete { _ in answer }
  }

  private func complete(_ answer: (inout State) -> Answer) {
    let waiting = state.withLock { state -> (resume: @Sendable (Answer) -> Void, answer: Answer)? in
      let answer = state.answer ?? answer(&state)
      state.answer = answer
      isAnswered.store(true, ordering: .relaxed)
      return state.resume.take().map { ($0, answer) }
    }
    if let waiting { waiting.resume(waiting.answer) }
  }

  /// Whether there is no answer yet.
  // Relaxed: the answer itself is taken with the lock held.
  var isPending: Bool { !isAnswered.load(ordering: .relaxed) }

  /// The answer, if it is there.
  var answer: Answer? { state.withLock { $0.answer } }

  /// Suspends until the answer is there.
  nonisolated(nonsending) func value() async -> Answer {
    await withCheckedContinuation { continuation in
      let answer = state.withLock { state -> Answer? in
        if let answer = state.answer { return answer }
        state.resume = { continuation.resume(returning: $0) }
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }
}
