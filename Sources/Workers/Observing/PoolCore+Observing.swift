import Glibc
import Interprocess
import Synchronization

/// What the pool does to its workers and tells of, and what it is asked about them.
extension PoolCore {
  func tell(_ news: @autoclosure () -> PoolNews?) {
    observer.tell(news())
    sampleSoon()
  }

  /// To be said when a call is sent: from then on there may be something new to see.
  func sampleSoon() {
    #if Metrics
      observer.metrics.sampling.soon { self.sample() }
    #endif
  }

  #if Metrics
    private func sample() -> MemorySampling.Sample {
      let (workers, isAtWork) = state.withLock { (Array($0.workers.values), !$0.calls.isEmpty) }
      let bytes = workers.reduce(0) { $0 + ($1.processID.flatMap(ProcessMemory.ownBytes) ?? 0) }
      return (bytes, isAtWork)
    }
  #endif

  /// Tells that a worker is ready, once its process is known too: the one may be learnt before the other.
  func tellReady(_ worker: PooledWorker) {
    let process = worker.state.withLock { state -> CInt? in
      guard state.isReady, !state.isAnnounced, let process = state.process?.processID else { return nil }
      state.isAnnounced = true
      return process
    }
    if let process { tell(.workerReady(process)) }
  }

  // MARK: Sending workers home

  /// Has a worker end its service, for this reason.
  func retire(_ worker: PooledWorker, _ reason: Retirement) {
    worker.state.withLock { if $0.retirement == nil { $0.retirement = reason } }
    feed(.retire(worker.id))
  }

  func askToExit(_ id: WorkerID) {
    guard let worker = worker(id) else { return }
    worker.state.withLock { $0.isSentHome = true }
    tell(retirement(of: worker).map { .workerRetires(worker.processID, $0) })
    worker.channel.close()
  }

  /// `nil` where it goes as the pool ends.
  private func retirement(of worker: PooledWorker) -> Retirement? {
    if let known = worker.state.withLock({ $0.retirement }) { return known }
    return state.withLock { state in
      guard let index = state.machine.index(of: worker.id) else { return nil }
      if state.machine.workers[index].isRetiring { return .calls }
      return state.machine.life == .running ? .idle : nil
    }
  }

  // MARK: Killing them

  func killWorker(_ id: WorkerID) {
    guard let worker = worker(id) else { return }
    tell(fault(of: worker).map { .workerKilled(worker.processID, fault: $0) })
    worker.signal(SIGKILL)
  }

  /// `nil` where it is not killed for one.
  private func fault(of worker: PooledWorker) -> String? {
    guard isAtFault(worker) else { return nil }
    let (fault, isReady) = worker.state.withLock { ($0.fault, $0.isReady) }
    return fault?.rawValue ?? (isReady ? "takes no calls" : "was not ready in time")
  }

  private func isAtFault(_ worker: PooledWorker) -> Bool {
    state.withLock { state in state.machine.index(of: worker.id).map { state.machine.workers[$0].isAtFault } ?? false }
  }

  // MARK: What became of them

  /// - Parameters:
  ///   - call: the call that is lost with it.
  ///   - isCrash: it ended of itself and not in order, or was killed for a fault.
  func tellEnd(of worker: PooledWorker, _ report: CrashReport, call: String?, isCrash: Bool) {
    let (isReady, wasSignalled, isSentHome) = worker.state.withLock { ($0.isReady, $0.wasSignalled, $0.isSentHome) }
    let end = WorkerEnd(
      call: call, isCrash: isCrash, isFailedStart: !isReady && (!wasSignalled || isAtFault(worker)),
      isLoss: isReady && !isSentHome)
    tell(.workerEnded(report, end))
  }

  /// The error of a call whose time is over, which the log is told too.
  func deadlineExceeded(_ call: PendingCall) -> CallDeadlineExceeded {
    let process = call.worker.flatMap { id in
      worker(id)?.processID ?? state.withLock { $0.crashes[id]?.processID }
    }
    let error = CallDeadlineExceeded(
      call: call.name, deadline: call.deadline ?? configuration.callDeadline, processID: process)
    tell(.deadlineExceeded(error))
    return error
  }
}
