import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// How a worker ended, kept for the errors of its calls.
struct CrashReport: Sendable {
  var processID: CInt?
  var ending: ProcessEnding?
  var usage: ResourceUsage?
  var standardError = ""
  var standardOutput = ""
  var fault: WorkerCrash.Fault?
  var outOfMemory = WorkerCrash.OutOfMemory.no
  /// The call that it said last it was running, and which element of that.
  var call: UInt64 = 0
  var element = FoundFunction.noElement
}

/// What is told of the processes.
extension PoolCore {
  /// How many dead workers are remembered, for calls that ask for them later.
  private static let remembered = 256
  /// How long what a dead worker has sent is read.
  private static let lastWords = Duration.milliseconds(200)

  /// On the fork server's thread.
  func processDid(_ event: WorkerProcessEvent, _ worker: PooledWorker) {
    switch event {
    case .started:
      startAgeing(worker)
      tellReady(worker)
      feed(.processStarted(worker.id))
    case .stopped:
      worker.note(.stopped)
      tell(worker.isStopNews() ? .workerStopped(worker.processID) : nil)
      feed(.stopped(worker.id))
    case .continued:
      worker.noteContinuation()
      tell(worker.isStopNews() ? .workerContinued(worker.processID) : nil)
      feed(.continued(worker.id))
    case .ended(.notStarted(let error)):
      worker.channel.peerDied()
      release(worker)
      tell(.startFailed(error))
      feed(.startFailed(worker.id, at: now)) { $0.lastCause = "it could not be started: \(error)" }
    case .ended(let ending):
      let (isRead, isAtEnd) = worker.state.withLock { state in
        state.ending = ending
        return (state.isRead, state.isAtEnd)
      }
      worker.channel.peerDied()
      // What it said before it died counts, and a reply that is there is read first; but nothing past a violation.
      if isAtEnd {
        finish(worker)
      } else if isRead {
        endAfterAWhile(worker)
      } else {
        readLastWords(worker)
      }
    }
  }

  /// The one who reads it comes to the end by itself; a stream that another process has inherited would not end.
  private func endAfterAWhile(_ worker: PooledWorker) {
    (try? Reactor.shared())?.watch(nil, by: Deadline(Self.lastWords)) { _ in
      self.finish(worker)
    }
  }

  /// Takes what is left in the channel of a worker that has died. A process of its own may have inherited the channel and
  /// send without end; the others wait meanwhile, so only for a moment.
  func readLastWords(_ worker: PooledWorker) {
    let end = ContinuousClock.now + Self.lastWords
    while let frame = try? worker.channel.receive(timeout: .zero), handle(frame, from: worker) {
      if ContinuousClock.now > end { break }
    }
    finish(worker)
  }

  /// Tells the machine that the worker is gone, if it is. The first call does.
  ///
  /// - Returns: whether it is gone, as far as is known.
  @discardableResult
  func finish(_ worker: PooledWorker) -> Bool {
    let (known, wasSignalled) = worker.state.withLock { ($0.ending.take(), $0.wasSignalled) }
    guard let ending = known else { return worker.state.withLock { $0.isClosed } }
    // It gets no call from here on, so that the one it has is the last: maybe decided on just now, and not sent yet.
    feed(.channelEnded(worker.id))
    let call = state.withLock { $0.machine.work(of: worker.id) }
    let hasBegun = call.map { worker.journal.call == UInt64($0.rawValue) } ?? false
    let report = report(ending, worker)
    let isCrash = report.fault != nil || !wasSignalled && (hasBegun || report.ending != .exited(0))
    if isCrash { status.noteCrash(slot: worker.slot) }
    let lost = hasBegun ? call.flatMap { id in state.withLock { $0.calls[id]?.name } } : nil
    tellEnd(of: worker, report, call: lost, isCrash: isCrash)
    release(worker)
    if let call, !hasBegun { feed(.notBegun(worker.id, call)) }
    feed(.exited(worker.id, at: now)) { state in
      state.crashes[worker.id] = report
      state.crashOrder.append(worker.id)
      if state.crashOrder.count > Self.remembered { state.crashes[state.crashOrder.removeFirst()] = nil }
      state.lastCause = report.described
    }
    return true
  }

  /// Has the worker retire at the age that the configuration allows.
  private func startAgeing(_ worker: PooledWorker) {
    guard let age = configuration.recycling.age, let reactor = try? Reactor.shared() else { return }
    let id = worker.id
    let timer = reactor.watch(nil, by: Deadline(age)) { outcome in
      guard case .failure(let error as InterprocessError) = outcome, error.isTimeout else { return }
      if let worker = self.worker(id) { self.retire(worker, .age) }
    }
    worker.state.withLock { $0.ageTimer = timer }
  }

  private func report(_ ending: WorkerProcessEnding, _ worker: PooledWorker) -> CrashReport {
    let (process, wasSignalled, fault) = worker.state.withLock { ($0.process, $0.wasSignalled, $0.fault) }
    var report = CrashReport()
    report.processID = process?.processID
    report.standardError = process?.errorsTail ?? ""
    report.standardOutput = process?.outputTail ?? ""
    // A channel ends with any crash; that it did is a fault only where the worker had to be killed.
    if wasSignalled || fault == .protocolViolation { report.fault = fault }
    report.call = worker.journal.call
    report.element = worker.journal.element
    if case .reaped(let how, let usage) = ending {
      report.ending = how
      report.usage = usage
      report.outOfMemory = OutOfMemorySigns.look(how, report.standardError, wasSignalled: wasSignalled) {
        self.state.withLock { $0.outOfMemoryKills.takeOne() }
      }
    }
    return report
  }

  func crash(of worker: WorkerID, _ call: PendingCall) -> WorkerCrash {
    let report = state.withLock { $0.crashes[worker] } ?? CrashReport()
    var crash = WorkerCrash(
      processID: report.processID, ending: report.ending, call: call.name, attempt: call.attempt, usage: report.usage,
      standardError: report.standardError, standardOutput: report.standardOutput, outOfMemory: report.outOfMemory,
      fault: report.fault)
    // What it said of an earlier call says nothing of this one.
    if report.call == UInt64(call.id.rawValue) { crash.element = Int(exactly: report.element) }
    return crash
  }
}

extension CrashReport {
  var described: String {
    let last = standardError.split(separator: "\n").last.map { ": \($0)" } ?? ""
    return "it \(ending.map { "\($0)" } ?? "ended in a way that nobody saw")\(last)"
  }
}

/// By what one knows that a process died for want of memory.
private enum OutOfMemorySigns {
  static func look(
    _ ending: ProcessEnding, _ standardError: String, wasSignalled: Bool, wasKilledByKernel: () -> Bool
  ) -> WorkerCrash.OutOfMemory {
    // The worker's own log may speak of memory too: only its very last lines count, before the runtime's backtrace.
    let backtrace = ["Current stack trace:", "Program crashed"].compactMap { standardError.ranges(of: $0).last }
    let end = backtrace.map(\.lowerBound).min() ?? standardError.endIndex
    let lastLines = standardError[..<end].split(separator: "\n").suffix(4).joined(separator: "\n")
    // Swift's own words, malloc's, and C++'s.
    let words = [
      "Fatal error: failed to allocate ", "could not allocate memory", "out of memory", "Cannot allocate memory",
      "bad_alloc",
    ]
    if case .exited(0) = ending { return .no }
    if words.contains(where: lastLines.contains) { return .yes }
    if case .signalled(SIGKILL, _) = ending, !wasSignalled {
      return wasKilledByKernel() ? .yes : .possible
    }
    return .no
  }
}
