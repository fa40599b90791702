import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Calls on their way to workers, and back.
extension PoolCore: WorkerCaller {
  /// How long a worker may pause in the middle of a message, where the grace period is shorter: it may have to wait for a
  /// processor.
  private static let leastPatience = Duration.milliseconds(500)

  nonisolated(nonsending) func call(
    _ target: WorkerSystem.ActorID.Target, name: String, _ frame: consuming CallFrame
  ) async throws -> CallReply {
    let target = try CallTarget(target)
    let call = begin(target, name: name, consume frame, CallOptions.current)
    return try await answer(to: call).reply()
  }

  /// Holds a worker.
  nonisolated(nonsending) func hold(_ options: CallOptions) async throws -> LeaseID {
    let call = begin(nil, name: "withWorker", CallFrame([]), options)
    if case .failure(let error) = await answer(to: call) { throw error }
    return call.id
  }

  /// Makes a call.
  ///
  /// - Parameter target: `nil`: a worker is to be held.
  /// - Returns: it, with the answer if that has come while this looked for it, for a moment.
  func begin(_ target: CallTarget?, name: String, _ frame: consuming CallFrame, _ options: CallOptions) -> PendingCall {
    let count = frame.bytes.count
    let id = CallID(rawValue: lastCall.wrappingAdd(1, ordering: .relaxed).newValue)
    let call = PendingCall(
      id, name: name, deadline: options.deadline, frame: consume frame, onReport: options.onReport)
    let (isCancelled, priority) = Self.task()
    if isCancelled {
      call.complete(.failure(CancellationError()))
    } else if count > configuration.maximumMessageSize {
      call.complete(.failure(WorkerCallError.tooLarge("the call", count, limit: configuration.maximumMessageSize)))
    } else {
      let request = options.request(target ?? .any, priority)
      let event = target == nil ? PoolEvent.hold(id, request.priority) : .submit(id, request)
      var toRead = feedAndCarryOut(event) { $0.calls[id] = call }
      // Others' workers, which this thread has sent calls to on the way, wait for nobody.
      var own: PooledWorker?
      toRead.takeAll { if $0.id == call.worker { own = $0 } else { startReading($0) } }
      if let own { lookForReply(own, to: call) }
    }
    return call
  }

  private static func task() -> (isCancelled: Bool, priority: CallPriority) {
    withUnsafeCurrentTask { task in
      guard let task else { return (false, .medium) }
      return (task.isCancelled, CallPriority(rawValue: task.priority.rawValue))
    }
  }

  /// Suspends until a call has been answered.
  nonisolated(nonsending) func answer(to call: PendingCall) async -> PendingCall.Answer {
    if let answer = call.answer { return answer }
    return await withTaskCancellationHandler {
      await call.value()
    } onCancel: {
      feed(.cancel(call.id))
    }
  }

  /// Looks at a worker's channel for a moment, on the caller's own thread, and then leaves it to a task.
  private func lookForReply(_ worker: PooledWorker, to call: PendingCall) {
    // The clock is read while the worker is at work already.
    let start = MonotonicTime.now
    let patience = look.nanoseconds
    let isAlone = looking.wrappingAdd(1, ordering: .relaxed).newValue < Processors.atStart
    defer { looking.wrappingSubtract(1, ordering: .relaxed) }
    guard isAlone,
      worker.state.withLock({ state in
        if state.isRead { return false }
        state.isRead = true
        return true
      })
    else { return startReading(worker) }
    read(worker, lookingFor: call, until: start + patience)
    look.note(MonotonicTime.now - start, lookingFor: patience, wasSeen: !call.isPending)
  }

  private func read(_ worker: PooledWorker, lookingFor call: PendingCall, until end: Int64) {
    // A worker that talks all the time is not to keep its caller from hearing that it is cancelled.
    repeat {
      do {
        guard let frame = try worker.channel.receive(lookingUntil: end, while: { call.isPending }) else { break }
        guard handle(frame, from: worker) else { return endReading(worker, isViolation: true) }
      } catch {
        return endReading(worker, isViolation: error.code == .malformedMessage || error.code == .messageTooLarge)
      }
    } while call.isPending && MonotonicTime.now < end
    leave(worker)
  }

  /// Stops reading; if there is more to be read, a task goes on.
  private func leave(_ worker: PooledWorker) {
    let isNeeded = worker.state.withLock { state in
      state.isRead = false
      return state.call != nil || !state.isReady || state.ending != nil
    }
    if isNeeded { startReading(worker) }
  }

  /// Has a task read a worker's channel for as long as something is to come.
  func startReading(_ worker: PooledWorker) {
    worker.state.withLock { state in
      if state.isRead || state.isClosed { return }
      state.isRead = true
      state.reader = Task.detached { await self.read(worker) }
    }
  }

  private func read(_ worker: PooledWorker) async {
    let patience = max(configuration.gracePeriod, Self.leastPatience)
    while true {
      // Those whose calls have been answered come first, and make the next: with many of them, to wait for a reply here,
      // spinning, would be to wait for nothing. Nor is a worker that never stops talking to have a thread for itself.
      await Task.yield()
      do {
        guard let frame = try await worker.channel.receive(pausingAtMost: patience) else {
          return endReading(worker, isViolation: false)
        }
        guard handle(frame, from: worker) else { return endReading(worker, isViolation: true) }
      } catch {
        if Self.isOwnLack(error) {
          // No descriptor is left to wait with. The worker is well: it is looked at again.
          try? await Task.sleep(for: .milliseconds(5))
          continue
        }
        let error = error as? ChannelError
        return endReading(worker, isViolation: error?.code == .malformedMessage || error?.code == .messageTooLarge)
      }
      let isDone = worker.state.withLock { state in
        guard state.call == nil, state.isReady, state.ending == nil else { return false }
        state.isRead = false
        state.reader = nil
        return true
      }
      if isDone { return }
    }
  }

  /// Whether this process has nothing left to wait with, which is no fault of a worker's.
  private static func isOwnLack(_ error: any Error) -> Bool {
    ((error as? ChannelError)?.systemError ?? error as? InterprocessError)?.isLackOfResources ?? false
  }

  /// Whether a worker that has no call has sent nothing since its last reply, as it should. Nobody may be reading it.
  func isQuiet(_ worker: PooledWorker) -> Bool {
    do {
      return try worker.channel.isQuiet()
    } catch {
      // Another end is seen by the one who reads next.
      return error.code != .malformedMessage && error.code != .messageTooLarge
    }
  }

  /// The channel is at its end, or what comes from it is worth nothing. `isRead` stays: there is nothing more to read.
  func endReading(_ worker: PooledWorker, isViolation: Bool) {
    worker.note(isViolation ? .protocolViolation : .closedChannel)
    worker.state.withLock { $0.isAtEnd = true }
    if finish(worker) { return }
    feed(isViolation ? .protocolViolation(worker.id) : .channelEnded(worker.id))
  }

  /// Takes what a worker sent.
  ///
  /// - Returns: whether it is what a worker sends.
  func handle(_ frame: [UInt8], from worker: PooledWorker) -> Bool {
    guard let (kind, number) = Frame.head(of: frame) else { return false }
    let id = CallID(rawValue: Int(truncatingIfNeeded: number))
    switch kind {
    case .ready:
      let isFirst = worker.state.withLock { state in
        defer { state.isReady = true }
        return !state.isReady
      }
      if isFirst {
        tellReady(worker)
        feed(.workerReady(worker.id))
      }
      return isFirst
    case .report:
      guard let call = worker.state.withLock({ $0.call }), call.id == id else { return false }
      // A call past its deadline is answered already, and may still report.
      if call.isPending { call.onReport?(frame) }
      return true
    case .kept:
      // An argument of the call that it runs; of others it has none.
      guard let lease = worker.state.withLock({ $0.leases }).first(where: { $0.block.id == number }) else {
        return false
      }
      lease.keep()
      return worker.state.withLock { $0.knownBlocks.remove(number) } != nil
    case .result, .error, .sharedResult, .lentResult: return takeReply(kind, to: id, frame, from: worker)
    case .call, .function, .element: return false
    }
  }

  private func takeReply(_ kind: Frame.Kind, to id: CallID, _ frame: [UInt8], from worker: PooledWorker) -> Bool {
    guard let reply = reply(kind, to: id, frame, from: worker) else { return false }
    // The leases are given back with no lock held.
    let taken = worker.state.withLock { state -> (call: PendingCall, leases: [ArenaLease])? in
      guard let call = state.call, call.id == id else { return nil }
      defer { (state.call, state.leases) = (nil, []) }
      return (call, state.leases)
    }
    guard let taken else { return false }
    taken.call.keep(reply)
    recycleIfDue(worker)
    // After its reply it has nothing more to say. This one counts, but it gets no other call.
    let isQuiet = !worker.channel.hasPartOfMessage
    if !isQuiet { feed(.channelEnded(worker.id)) }
    feed(.reply(worker.id, id))
    return isQuiet
  }

  /// The reply with what came beside it; `nil` when that did not come.
  private func reply(
    _ kind: Frame.Kind, to id: CallID, _ frame: [UInt8], from worker: PooledWorker
  ) -> CallReply? {
    guard kind == .sharedResult || kind == .lentResult else { return CallReply(frame: frame) }
    guard worker.state.withLock({ $0.call?.id == id }) else { return nil }
    do {
      guard let arrived = try worker.descriptors(of: id, frame) else { return nil }
      guard kind == .lentResult else { return CallReply(frame: frame, arrived: arrived) }
      var reader = FrameReader(frame)
      guard let count = try? reader.number(), count == 1, let byteCount = try? reader.number(), reader.isAtEnd
      else { return nil }
      let limit = configuration.maximumMessageSize
      let lent = LentResult(arrived, byteCount: byteCount, limit: limit) { worker.release(id) }
      return lent.map { CallReply(frame: frame, lent: $0) }
    } catch {
      // This process has no room for them: the worker is well.
      return CallReply(frame: frame, failure: error)
    }
  }

  private func recycleIfDue(_ worker: PooledWorker) {
    guard let most = configuration.recycling.residentBytes, let process = worker.processID else { return }
    if let bytes = ProcessMemory.ownBytes(of: process), bytes > most { retire(worker, .residentBytes) }
  }
}

extension CallTarget {
  /// That of an actor.
  ///
  /// - Throws: for one that is in no pool.
  fileprivate init(_ target: WorkerSystem.ActorID.Target) throws {
    switch target {
    case .any: self = .any
    case .held(let lease): self = .lease(LeaseID(rawValue: lease))
    case .local: throw WorkerCallError("this actor is in no pool")
    }
  }
}
