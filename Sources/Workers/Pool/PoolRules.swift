/// What the pool's user configured, as far as it decides which worker lives and what it does.
struct PoolRules: Hashable, Sendable {
  /// Workers that stand ready even when there is nothing to do.
  var minimum = 1
  /// Workers that may serve at the same time.
  var maximum = 1
  /// Workers started beyond those needed, so that one that dies is replaced at once. At no time are there more
  /// than `maximum + spares` processes.
  var spares = 0

  /// How long a call may run, from when its worker has all of it; a call may bring its own.
  var callDeadline: Duration?
  /// How long a polite request is given before the next, less polite one: cancelling, asking to exit, SIGTERM, and the
  /// time a stopped worker may stay so.
  var gracePeriod = Duration.seconds(1)
  /// How long a worker, or the fork server, may take to become ready.
  var startTimeout = Duration.seconds(10)
  /// How often workers that nobody needs are looked for. One that has had nothing to do for a whole period is retired.
  var idlePeriod = Duration.seconds(30)

  /// More deaths of idle workers than `deaths` within `window`, or more failed starts than that in a row, are the pool's
  /// own end. Nil: it never gives up.
  var restartLimit: RestartLimit? = RestartLimit(deaths: 10, window: .seconds(10))
  /// The wait after a failed start; each further failure doubles it, up to `maximumBackOff`.
  var backOff = Duration.milliseconds(10)
  var maximumBackOff = Duration.seconds(5)

  /// How often a call that is safe to repeat is sent, at most.
  var maximumAttempts = 3
  /// A worker retires after so many calls.
  var callsPerWorker: Int?
  /// How many calls may wait until others are answered; the next is refused. Repeated calls are exempt: they were let in
  /// once.
  var queueLimit: Int?

  struct RestartLimit: Hashable, Sendable {
    var deaths: Int
    var window: Duration
  }
}
