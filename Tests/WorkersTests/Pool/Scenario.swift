@testable import Workers

/// What may happen in one exploration: every order of it is gone through.
struct Scenario: Sendable, CustomStringConvertible {
  var name: String
  /// Fewer, and it does not reach what it is there for any more.
  var leastStates = 100
  var rules: PoolRules
  /// Submitted in this order, at any time.
  var script: [Request]
  /// Crashes, failed starts, garbage and stops, together at most so many.
  var faults = 0
  var mayCrash = true
  var mayFailToStart = false
  var maySendGarbage = false
  var mayStop = false
  /// Channels end though the process lives, and calls are sent that never begin.
  var mayFallSilent = false
  /// Calls may not have begun when their deadlines come.
  var mayBeginLate = false
  var forkServerDeaths = 0
  var retirements = 0
  var mayCancel = false
  var mayDrain = false
  var mayShutDown = false
  /// The minimum of workers is ready when the exploration begins.
  var startsWarm = true
  /// Readiness may come at another time than the process, and before it.
  var startsInTwoSteps = false
  /// Deaths come so far apart that none adds to another; else all at the same instant.
  var deathsAreFarApart = false

  enum Request: Hashable {
    case call(CallRequest)
    case hold
    /// A call to the worker held by this request of the script; skipped while it is not held.
    case leased(Int, CallRequest)
    /// A call to the first worker that lives.
    case targeted(CallRequest)

    static var plain: Request { .call(CallRequest()) }
    static var high: Request { .call(CallRequest(priority: .high)) }
    static var repeatable: Request { .call(CallRequest(isRepeatable: true)) }
  }

  var description: String { name }
}
