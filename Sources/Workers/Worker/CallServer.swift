import Distributed
import Glibc
import Interprocess

/// Runs calls in a worker, one after the other.
struct CallServer<Worker: WorkerActor>: Sendable {
  private let session: WorkerSession
  private let actor: Worker
  private let system: WorkerSystem
  private var functions: [[UInt8]: FoundFunction] = [:]
  /// What was called last: the same is called again, mostly.
  private var last = Target()

  private struct Target: Sendable {
    var bytes: [UInt8] = []
    var name = ""
    var function: FoundFunction?
  }

  init(_ session: WorkerSession, _ actor: Worker, _ system: WorkerSystem) {
    self.session = session
    self.actor = actor
    self.system = system
  }

  /// Serves calls until one is cancelled.
  ///
  /// - Returns: whether the pool has closed the channel.
  nonisolated(nonsending) mutating func serve() async throws -> Bool {
    while let frame = try session.nextFrame() {
      guard let (kind, call) = Frame.head(of: frame), kind == .call || kind == .function else {
        exit(WorkerMain.ExitCode.protocolViolation)
      }
      var reader = FrameReader(frame)
      noteTarget(frame, try reader.part(), isFunction: kind == .function)
      if await run(call, isFunction: kind == .function, reader) { return false }
    }
    return true
  }

  /// Finds what is called, and says so on the status page.
  private mutating func noteTarget(_ frame: [UInt8], _ range: Range<Int>, isFunction: Bool) {
    if last.bytes.span.bytes.isEqual(to: frame.span.bytes.extracting(range)), (last.function != nil) == isFunction {
      return
    }
    last = Target()
    last.bytes = Array(frame[range])
    last.name = String(decoding: last.bytes, as: UTF8.self)
    if isFunction {
      last.function = functions[last.bytes] ?? FoundFunction(named: last.name)
      functions[last.bytes] = last.function
    }
    session.name(isFunction ? last.function?.name ?? last.name : RemoteCallTarget(last.name).description)
  }

  /// Runs a call, and answers with what it gave.
  ///
  /// - Returns: whether it was cancelled.
  private nonisolated(nonsending) func run(_ call: UInt64, isFunction: Bool, _ reader: FrameReader) async -> Bool {
    let now = MonotonicTime.now
    session.marks.begin(call, at: now)
    session.slot.set(.began, UInt64(now))
    session.slot.set(.call, call)
    session.slot.set(.state, StatusPage.State.busy.rawValue)
    let reply = WorkerResultHandler.Reply(session.results)
    let context = WorkerContext(call: call, send: session.send, current: session.current)
    session.current.set(call)
    session.begin(call)
    await WorkerContext.$task.withValue(context) {
      await isFunction ? compute(call, began: now, reader, reply) : answer(call, reader, reply)
    }
    let isCancelled = session.end(call)
    session.current.set(nil)
    refuseIfTooLarge(reply, call)
    passMemory(of: reply, call)
    session.slot.increment(.callsDone)
    session.slot.set(.state, StatusPage.State.idle.rawValue)
    do {
      try send(reply, call)
    } catch {
      session.leave(error)
    }
    return isCancelled
  }

  private func send(_ reply: WorkerResultHandler.Reply, _ call: UInt64) throws {
    for block in session.arena.endCall() { try session.channel.send(Frame.begin(.kept, block)) }
    session.memory.endCall()
    try session.channel.send(reply.frame)
  }

  /// Passes the descriptors that a result needs. Where that is not possible, the reply says so.
  private func passMemory(of reply: WorkerResultHandler.Reply, _ call: UInt64) {
    do {
      if reply.isLent { try session.results.pass(call) }
      guard let passed = reply.passed else { return }
      guard passed.count <= MemorySocket.mostInResult else {
        throw WorkerCallError("a result holds at most \(MemorySocket.mostInResult) shared arrays, not \(passed.count)")
      }
      try session.memory.pass(passed, call: call)
    } catch {
      reply.setFailure(call, error)
    }
  }

  private func refuseIfTooLarge(_ reply: WorkerResultHandler.Reply, _ call: UInt64) {
    let (count, limit) = (reply.frame.count, session.setup.maximumMessageSize)
    guard count > limit else { return }
    reply.setFailure(call, WorkerCallError.tooLarge("the result", count, limit: limit))
  }

  private nonisolated(nonsending) func answer(
    _ call: UInt64, _ reader: FrameReader, _ reply: WorkerResultHandler.Reply
  ) async {
    let handler = WorkerResultHandler(call: call, reply: reply)
    var reader = reader
    do {
      try await CallTrace.withWorkerSpan(&reader, last.name) { reader in
        var decoder = try WorkerInvocationDecoder(last.name, reader, session.arena) {
          try session.memory.descriptors(of: call, count: $0)
        }
        try await system.executeDistributedTarget(
          on: actor, target: RemoteCallTarget(last.name), invocationDecoder: &decoder, handler: handler)
      }
    } catch {
      // What did not decode, or did not encode.
      reply.setFailure(call, error)
    }
  }

  private nonisolated(nonsending) func compute(
    _ call: UInt64, began: Int64, _ reader: FrameReader, _ reply: WorkerResultHandler.Reply
  ) async {
    var reader = reader
    do {
      guard let function = last.function else {
        throw WorkerCallError("there is no WorkerFunction \(last.name) in this program")
      }
      let place = FoundFunction.Place(
        call: call, began: began, arena: session.arena, memory: session.memory, mark: session.marks.element)
      try await CallTrace.withWorkerSpan(&reader, last.name) { try await function.run($0, place, reply) }
    } catch {
      reply.setFailure(call, error)
    }
  }
}

extension RawSpan {
  fileprivate func isEqual(to other: RawSpan) -> Bool {
    byteCount == other.byteCount
      && withUnsafeBytes { mine in
        other.withUnsafeBytes { theirs in
          mine.isEmpty
            || memcmp(mine.baseAddress.unsafelyUnwrapped, theirs.baseAddress.unsafelyUnwrapped, mine.count) == 0
        }
      }
  }
}
