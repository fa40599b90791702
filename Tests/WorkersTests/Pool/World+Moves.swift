@testable import Workers

/// Something that may happen next.
struct Move {
  let event: PoolEvent
  var cost = Cost.none
  /// Part of a world in which everybody does what is expected of him, in time.
  var isFriendly = false
  /// Part of a world that answers nothing: after `shutdown(.cancel)` only SIGKILL and time have an effect.
  var isHostile = false

  enum Cost { case none, fault, forkServer, retirement, submission }
}

extension World {
  mutating func make(_ move: Move) throws(Violation) {
    switch move.cost {
    case .none: break
    case .fault: faults += 1
    case .forkServer: forkServerDeaths += 1
    case .retirement: retirements += 1
    case .submission: submitted += 1
    }
    switch move.event {
    case .exited, .startFailed, .forkServerDied:
      if scenario.deathsAreFarApart { deathTime += scenario.rules.restartLimit?.window ?? .zero }
    default: break
    }
    try happen(move.event)
  }

  /// All that may happen now. The first friendly one is what happens in a friendly world, likewise the hostile.
  var moves: [Move] {
    var moves: [Move] = []
    for process in processes { addMoves(of: process, to: &moves) }
    addForkServerMoves(to: &moves)
    for lease in held {
      let isDone = !calls.contains { $0.request.target == .lease(lease.id) }
      moves.append(Move(event: .release(lease.id), isFriendly: isDone))
    }
    for timer in timers {
      moves.append(Move(event: .timerFired(timer), isFriendly: true, isHostile: isCancelled))
      if scenario.mayBeginLate, case .deadline(let worker, let call) = timer {
        moves.append(Move(event: .deadlineCame(worker, call, hasRun: .zero)))
      }
    }
    addCallerMoves(to: &moves)
    if scenario.mayDrain, !isShutDown {
      moves.append(Move(event: .shutdown(.drain(within: .seconds(1)))))
    }
    if scenario.mayShutDown, !isCancelled { moves.append(Move(event: .shutdown(.cancel), isHostile: true)) }
    return moves
  }

  private func addMoves(of process: Process, to moves: inout [Move]) {
    let id = process.id
    let isServed = forkServer == .ready || forkServer == .killed
    let mayFail = faults < scenario.faults
    if !process.hasProcess {
      if isServed { moves.append(Move(event: .processStarted(id), isFriendly: true)) }
      if isServed, mayFail, scenario.mayFailToStart {
        moves.append(Move(event: .startFailed(id, at: deathTime), cost: .fault))
      }
      if !scenario.startsInTwoSteps { return }
    }
    if !process.isReady, !process.isMute { moves.append(Move(event: .workerReady(id), isFriendly: process.hasProcess)) }
    if let call = process.call {
      if !process.isMute { moves.append(Move(event: .reply(id, call), isFriendly: !process.isStopped)) }
      if mayFail, scenario.mayFallSilent { moves.append(Move(event: .notBegun(id, call), cost: .fault)) }
    }
    if mayFail, scenario.mayFallSilent, !process.isMute { moves.append(Move(event: .channelEnded(id), cost: .fault)) }
    if mayFail, scenario.maySendGarbage {
      moves.append(Move(event: .protocolViolation(id), cost: .fault))
      moves.append(Move(event: .reply(id, CallID(rawValue: 98)), cost: .fault))
    }
    guard process.hasProcess else { return }
    if process.isLeaving {
      moves.append(Move(event: .exited(id, at: deathTime), isFriendly: true, isHostile: process.isKilled))
    } else if mayFail, scenario.mayCrash {
      moves.append(Move(event: .exited(id, at: deathTime), cost: .fault))
    }
    if process.isStopped {
      moves.append(Move(event: .continued(id)))
    } else if mayFail, scenario.mayStop {
      moves.append(Move(event: .stopped(id), cost: .fault))
    }
    if retirements < scenario.retirements, !process.isRetiring, !process.isLeaving {
      moves.append(Move(event: .retire(id), cost: .retirement))
    }
  }

  private func addForkServerMoves(to moves: inout [Move]) {
    let death = PoolEvent.forkServerDied(at: deathTime)
    switch forkServer {
    case .absent: break
    case .closing: moves.append(Move(event: death, isFriendly: true))
    case .killed: moves.append(Move(event: death, isFriendly: true, isHostile: true))
    case .starting, .ready:
      if forkServer == .starting { moves.append(Move(event: .forkServerReady, isFriendly: true)) }
      if forkServerDeaths < scenario.forkServerDeaths { moves.append(Move(event: death, cost: .forkServer)) }
    }
  }

  private func addCallerMoves(to moves: inout [Move]) {
    if scenario.mayCancel {
      for call in calls where !call.wantsCancel { moves.append(Move(event: .cancel(call.id))) }
    }
    guard submitted < scenario.script.count else { return }
    let id = CallID(rawValue: submitted)
    switch scenario.script[submitted] {
    case .call(let request): moves.append(Move(event: .submit(id, request), cost: .submission))
    case .hold: moves.append(Move(event: .hold(id, .medium), cost: .submission))
    case .leased(let number, var request):
      guard held.contains(where: { $0.id.rawValue == number }) else { return }
      request.target = .lease(CallID(rawValue: number))
      moves.append(Move(event: .submit(id, request), cost: .submission))
    case .targeted(var request):
      guard let first = processes.first(where: \.isReady) else { return }
      request.target = .worker(first.id)
      moves.append(Move(event: .submit(id, request), cost: .submission))
    }
  }
}
