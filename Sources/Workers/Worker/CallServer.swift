import Distributed
import Glibc
import Interprocess

/// Runs calls in a worker, one after the other.
final class CallServer: Sendable {
  private let session: WorkerSession
  private let reply: WorkerResultHandler.Reply
  private let place: FoundFunction.Place
  private let actorCall: @Sendable (_ name: String) -> FoundFunction.Body

  init<Worker: WorkerActor>(_ session: WorkerSession, _ actor: Worker, _ system: WorkerSystem) {
    let reply = WorkerResultHandler.Reply(session.results)
    self.session = session
    self.reply = reply
    place = FoundFunction.Place(
      arena: session.arena, memory: session.memory, mark: session.marks.element, reply: reply)
    actorCall = { name in
      CallTrace.inWorkerSpan(name) { reader in
        var decoder = try WorkerInvocationDecoder(name, reader, session.arena) {
          try session.memory.descriptors(of: reply.call, count: $0)
        }
        try await system.executeDistributedTarget(
          on: actor, target: RemoteCallTarget(name), invocationDecoder: &decoder,
          handler: WorkerResultHandler(reply: reply))
      }
    }
  }

  /// Serves calls until one is cancelled.
  ///
  /// - Returns: whether the pool has closed the channel.
  func serve() async throws -> Bool {
    var targets = Targets()
    while let frame = try session.nextFrame() {
      guard let (kind, call) = Frame.head(of: frame), kind.isCall else {
        exit(WorkerMain.ExitCode.protocolViolation)
      }
      var reader = FrameReader(frame)
      let name = try reader.part()
      if !targets.last.isNamed(by: frame, name, kind) {
        targets.take(Array(frame[name]), kind) { find($0, kind) }
        session.name(targets.last.display)
      }
      begin(call)
      let (body, rest) = (targets.last.body, reader)
      await WorkerContext.$task.withValue(WorkerContext(call: call, current: session.current)) {
        do {
          try await body(rest)
        } catch {
          // What did not decode, or did not encode.
          reply.setFailure(error)
        }
      }
      if end(call) { return false }
    }
    return true
  }

  private func find(_ name: String, _ kind: Frame.Kind) -> (display: String, body: FoundFunction.Body) {
    if kind == .call { return (RemoteCallTarget(name).description, actorCall(name)) }
    let function = FoundFunction(named: name, place)
    return (function.name, kind == .element ? function.element : function.chunk)
  }

  private func begin(_ call: UInt64) {
    let now = MonotonicTime.now
    session.marks.begin(call, at: now)
    session.slot.set(.began, UInt64(now))
    session.slot.set(.call, call)
    session.slot.set(.state, StatusPage.State.busy.rawValue)
    reply.begin(call, at: now)
    session.current.begin(call)
  }

  /// Answers a call with what it gave.
  ///
  /// - Returns: whether it was cancelled.
  private func end(_ call: UInt64) -> Bool {
    let isCancelled = session.current.end(call)
    refuseIfTooLarge()
    passMemory(call)
    session.slot.noteCallDone()
    session.slot.set(.state, StatusPage.State.idle.rawValue)
    do {
      try sendReply()
    } catch {
      session.leave(error)
    }
    return isCancelled
  }

  private func sendReply() throws {
    for block in session.arena.endCall() { try session.channel.send(Frame.begin(.kept, block)) }
    session.memory.endCall()
    try session.channel.send(reply.takeFrame())
  }

  /// Passes the descriptors that a result needs. Where that is not possible, the reply says so.
  private func passMemory(_ call: UInt64) {
    do {
      if reply.isLent { try session.results.pass(call) }
      guard let passed = reply.passed else { return }
      guard passed.count <= MemorySocket.mostInResult else {
        throw WorkerCallError("a result holds at most \(MemorySocket.mostInResult) shared arrays, not \(passed.count)")
      }
      try session.memory.pass(passed, call: call)
    } catch {
      reply.setFailure(error)
    }
  }

  private func refuseIfTooLarge() {
    let (count, limit) = (reply.frame.count, session.setup.maximumMessageSize)
    if count > limit { reply.setFailure(WorkerCallError.tooLarge("the result", count, limit: limit)) }
  }
}

/// What has been called: to find one by its name takes longer than many a call does.
private struct Targets {
  struct Target {
    /// At first none of a call.
    var kind = Frame.Kind.ready
    var name: [UInt8] = []
    /// For people.
    var display = ""
    var body: FoundFunction.Body = { _ in }

    func isNamed(by frame: [UInt8], _ range: Range<Int>, _ kind: Frame.Kind) -> Bool {
      kind == self.kind && name.span.bytes.isEqual(to: frame.span.bytes.extracting(range))
    }
  }

  /// The same is called again, mostly.
  private(set) var last = Target()
  /// The others. Not in a dictionary, whose types a worker would have to make for its first call.
  private var others: [Target] = []

  /// Makes one the last, which is found by its name where it is new.
  mutating func take(
    _ name: [UInt8], _ kind: Frame.Kind, _ find: (String) -> (display: String, body: FoundFunction.Body)
  ) {
    let before = last
    if let index = others.firstIndex(where: { $0.kind == kind && $0.name == name }) {
      last = others.remove(at: index)
    } else {
      let found = find(String(decoding: name, as: UTF8.self))
      last = Target(kind: kind, name: name, display: found.display, body: found.body)
    }
    if before.kind.isCall { others.append(before) }
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
