import Glibc

@testable import Workers

/// Together they reach every branch of the machine; each alone stays small enough for a debug build.
extension Scenario {
  /// `EXPLORE=large` goes through more workers, calls and faults at once: minutes, in a release build.
  static let isLarge = getenv("EXPLORE").map { String(cString: $0) == "large" } ?? false

  static var all: [Scenario] {
    let everything = isLarge ? [everything] : []
    return everything + [
      cancellation, deaths, deadlines, starts, forkServers, leases, shutdowns, failure, failedStarts, misbehaviour,
      silence,
      elastic, retirement, spares,
    ]
  }

  private static func rules(_ workers: Int, _ change: (inout PoolRules) -> Void = { _ in }) -> PoolRules {
    var rules = PoolRules(minimum: workers, maximum: workers)
    rules.restartLimit = nil
    rules.maximumAttempts = 2
    change(&rules)
    return rules
  }

  static var everything: Scenario {
    Scenario(
      name: "3 workers, 4 calls, everything", rules: rules(3) { $0.callDeadline = .seconds(1) },
      script: [.plain, .repeatable, .high, .plain], faults: 1, retirements: 1, mayCancel: true, mayDrain: true,
      mayShutDown: true)
  }

  static var cancellation: Scenario {
    Scenario(
      name: "cancellation", leastStates: 5600, rules: rules(3),
      script: [.plain, .high, .plain] + (isLarge ? [.plain] : []),
      mayCancel: true)
  }

  static var deaths: Scenario {
    Scenario(
      name: "3 workers, 4 calls and deaths", leastStates: 42000, rules: rules(3),
      script: [.plain, .repeatable, .high, .repeatable],
      faults: isLarge ? 2 : 1, mayShutDown: true)
  }

  static var deadlines: Scenario {
    Scenario(
      name: "deadlines", leastStates: 12800,
      rules: rules(isLarge ? 3 : 2) {
        $0.callDeadline = .seconds(1)
        $0.startTimeout = .seconds(1)
      },
      script: [.plain, .repeatable] + (isLarge ? [.high] : []), faults: 1, mayBeginLate: true, mayCancel: true,
      mayShutDown: true)
  }

  static var starts: Scenario {
    Scenario(
      name: "starting", leastStates: 5900, rules: rules(isLarge ? 3 : 2),
      script: isLarge ? [.plain, .plain] : [.plain], faults: 2,
      mayFailToStart: true, mayShutDown: true, startsWarm: false, startsInTwoSteps: true)
  }

  static var forkServers: Scenario {
    Scenario(
      name: "the fork server", leastStates: 46000, rules: rules(isLarge ? 3 : 2), script: [.plain, .repeatable],
      faults: 1,
      forkServerDeaths: isLarge ? 2 : 1, mayDrain: true, mayShutDown: true, startsWarm: false)
  }

  static var leases: Scenario {
    Scenario(
      name: "held workers", leastStates: 15500, rules: rules(2),
      script: [
        .hold, .leased(0, CallRequest()), .leased(0, CallRequest()), .targeted(CallRequest(priority: .high)),
      ] + (isLarge ? [.hold] : []),
      faults: 1, retirements: isLarge ? 1 : 0, mayCancel: isLarge, mayDrain: true, mayShutDown: true)
  }

  static var shutdowns: Scenario {
    Scenario(
      name: "shutdown", leastStates: 11000, rules: rules(isLarge ? 3 : 2),
      script: [.plain, .repeatable, .plain] + (isLarge ? [.repeatable] : []), faults: 1, mayDrain: true,
      mayShutDown: true)
  }

  static var failure: Scenario {
    let limit = PoolRules.RestartLimit(deaths: 1, window: .seconds(1))
    return Scenario(
      name: "the restart limit", leastStates: 5300, rules: rules(2) { $0.restartLimit = limit },
      script: [.hold, .leased(0, CallRequest()), .repeatable] + (isLarge ? [.plain] : []), faults: 2,
      mayFailToStart: true, mayDrain: isLarge, mayShutDown: isLarge)
  }

  static var failedStarts: Scenario {
    let limit = PoolRules.RestartLimit(deaths: 1, window: .seconds(1))
    return Scenario(
      name: "starts that fail, far apart", leastStates: 6800, rules: rules(isLarge ? 2 : 1) { $0.restartLimit = limit },
      script: [.plain, .plain], faults: 3, mayFailToStart: true, forkServerDeaths: 1, mayShutDown: true,
      startsWarm: false, deathsAreFarApart: true)
  }

  static var silence: Scenario {
    Scenario(
      name: "channels that end, and calls that never begin", leastStates: 32000,
      rules: rules(2) { $0.callDeadline = .seconds(1) },
      script: [.plain, .targeted(CallRequest())] + (isLarge ? [.repeatable] : []), faults: 2, mayFallSilent: true,
      mayCancel: true, mayShutDown: true)
  }

  static var misbehaviour: Scenario {
    Scenario(
      name: "garbage and stopped workers", leastStates: 10900, rules: rules(2), script: [.plain, .repeatable],
      faults: isLarge ? 2 : 1,
      maySendGarbage: true, mayStop: true, mayCancel: true, mayShutDown: true)
  }

  static var elastic: Scenario {
    Scenario(
      name: "growing, shrinking, recycling", leastStates: 68000,
      rules: rules(3) {
        $0.minimum = 1
        $0.callsPerWorker = 2
      },
      script: [.plain, .plain, .targeted(CallRequest())] + (isLarge ? [.plain] : []), retirements: 1, mayDrain: isLarge)
  }

  /// A worker is to go while all else happens to it.
  static var retirement: Scenario {
    Scenario(
      name: "retiring amid deaths, deadlines, cancellation and shutdown", leastStates: 85000,
      rules: rules(2) { $0.callDeadline = .seconds(1) },
      script: [.plain, .repeatable] + (isLarge ? [.plain] : []), faults: 1, retirements: 1, mayCancel: true,
      mayDrain: true, mayShutDown: true)
  }

  static var spares: Scenario {
    let limit = PoolRules.RestartLimit(deaths: 1, window: .seconds(1))
    return Scenario(
      name: "spares, a bounded queue, deaths far apart", leastStates: 25000,
      rules: rules(isLarge ? 2 : 1) {
        $0.spares = 1
        $0.queueLimit = 1
        $0.restartLimit = limit
      },
      script: [.plain, .repeatable, .plain, .high], faults: 2, mayCancel: isLarge, mayShutDown: true,
      deathsAreFarApart: true)
  }
}
