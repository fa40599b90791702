import Glibc
public import Interprocess

#if Logging
  public import Logging
#endif

/// How a pool of workers is made, and what it does when something goes wrong.
public struct WorkerPoolConfiguration: Sendable {
  /// How many workers may serve at the same time; unless set, as many as this process may use processors.
  ///
  /// Each costs this process six to ten descriptors, by the mechanism (nine over the ring), and the pool itself some fifteen:
  /// past `RLIMIT_NOFILE` it says so.
  public var count: Int

  /// How many stand ready even when there is nothing to do; `nil`: as many as ``count``.
  public var minimumCount: Int?

  /// Workers started beyond those, so that one that dies is replaced at once.
  public var warmSpares = 0

  /// How bytes travel to the workers: any mechanism whose channel goes both ways.
  public var mechanism = Mechanism.ring

  /// How long a call may run, from when its worker has received it and begins to decode its arguments; `nil` for ever. How
  /// long it has waited for a worker does not count, nor how long its arguments travel. For that there is as much time as
  /// for a start, ``startTimeout``: a worker that takes nothing in keeps its caller no longer than both. The caller gets ``CallDeadlineExceeded`` then; the call
  /// is cancelled, and if it has not ended after the grace period its worker is replaced.
  public var callDeadline: Duration?

  /// How long each request is given before the next, less polite one: a cancelled call to end, SIGTERM to be obeyed, a
  /// stopped worker to be continued, the rest of a message that a worker has begun to send.
  public var gracePeriod = Duration.seconds(1)

  /// How long a worker may take to become ready.
  public var startTimeout = Duration.seconds(10)

  /// How long a worker above the minimum may have nothing to do before it is sent home.
  public var idlePeriod = Duration.seconds(30)

  /// How many workers may die within how long while they have nothing to do, and how many starts in a row may fail; past
  /// that the pool fails, and says so to every caller. `nil` never gives up. Workers that die together count once.
  ///
  /// A worker that dies while it runs a call does not count: that call's caller is told, and eleven uploads that crash
  /// their parser are no reason to refuse the twelfth.
  public var restartIntensity: RestartIntensity? = RestartIntensity(deaths: 10, within: .seconds(10))

  /// How long to wait after a failed start; each further failure doubles it.
  public var backOff = Duration.milliseconds(10)

  /// How often a call that is safe to repeat is made, at most, the first time included.
  public var maximumAttempts = 3

  /// When a worker is replaced though nothing is wrong with it.
  public var recycling = Recycling()

  /// How many calls may wait for a worker that others have; the next is refused with ``PoolQueueFull``. Those for which
  /// workers are being started do not count. `nil`: any number.
  public var queueLimit: Int?

  /// The longest call and the longest result in bytes. Arguments that are arrays of plain elements of 256 KiB or more do not
  /// count, nor does what a `SharedArray` holds; arrays in results do. A call beyond it fails,
  /// and so does one whose result is; a worker that announces more than that is killed. Unless set, the machine's memory
  /// is the limit: a message that has no room in it is none.
  public var maximumMessageSize: Int = Self.physicalMemory

  /// The machine's memory in bytes.
  static let physicalMemory: Int = {
    let (bytes, isOverflow) = sysconf(CInt(_SC_PHYS_PAGES)).multipliedReportingOverflow(by: Mapping.pageSize)
    return bytes > 0 && !isOverflow ? bytes : 1 << 47
  }()

  /// Limits of each worker process.
  public var limits = WorkerLimits()

  /// Added to this process's niceness, as `nice` does.
  public var niceness: Int32 = 0

  /// Variables to set in the workers, and those with `nil` to remove.
  public var environment: [String: String?] = [:]

  /// What becomes of what workers write. The end of it is in ``WorkerCrash`` where it is collected.
  public var standardOutput = WorkerOutput.inherit
  /// The same for what they write to standard error; Swift's own words about a crash are among it.
  public var standardError = WorkerOutput.collect()

  /// Whether a crash prints a backtrace to standard error, which delays it by some 130 ms.
  public var backtraces = false

  /// Whether calls run in this process, for a debugger's sake: nothing survives a crash then. Deadlines, limits and
  /// everything else that is said of workers mean nothing, but that a pool takes no calls once it is shut down.
  public var isInline = false

  #if Logging
    /// Where the pool says what happens to its workers. It needs the package's trait `Logging`.
    ///
    /// | level | message | metadata |
    /// |---|---|---|
    /// | error | the worker pool has failed | `cause` |
    /// | warning | a worker crashed | `worker`, `ending`, `call`, `fault`, `out-of-memory` |
    /// | warning | a worker is killed | `worker`, `fault` |
    /// | warning | a worker was stopped | `worker` |
    /// | warning | a worker could not be started | `error`, `worker`, `ending` |
    /// | warning | a call exceeded its deadline | `call`, `deadline`, `worker` |
    /// | warning | the fork server has ended; another is started | `ending` |
    /// | warning | the fork server could not be started | `error` |
    /// | info | a worker was continued | `worker` |
    /// | debug | a worker is ready | `worker` |
    /// | debug | a worker retires | `worker`, `reason`: `calls`, `resident-bytes`, `age` or `idle` |
    /// | debug | a worker ended | `worker`, `ending`, `call` |
    /// | debug | the worker pool has ended | |
    ///
    /// `worker` is a process id, `call` the distributed target's name or the function's type, `ending` how the process
    /// ended, `fault` what the pool kills it for (``WorkerCrash/Fault``, or that it was not ready in time or takes no calls).
    /// What is not known, or does not apply, is left out.
    public var logger: Logger?
  #endif

  #if Metrics
    /// What the names of the pool's metrics begin with. It needs the package's trait `Metrics`.
    ///
    /// | name | kind | |
    /// |---|---|---|
    /// | `.calls` | counter | calls by `outcome`, `answered` (also by an error that their code threw) or `failed` |
    /// | `.call.queue` | timer | how long calls waited for a worker |
    /// | `.call.run` | timer | how long they ran in it, their way there and back included |
    /// | `.starts` | counter | workers that became ready |
    /// | `.restarts` | counter | those of them, at most, in the place of one that had died, or had to be killed |
    /// | `.crashes` | counter | workers that died of themselves, or were killed for a fault |
    /// | `.resident.bytes` | recorder | the most memory that a worker had, shared pages included, when it has ended |
    /// | `.resident.bytes.now` | meter | the memory that is the workers' own alone, of all together: see ``metricsInterval`` |
    public var metricsLabel = "workers"

    /// How long after something has happened in the pool the memory of its workers is looked at; while calls run, it is
    /// again after each such interval, of 10 ms at least. A pool that has nothing to do is left alone.
    public var metricsInterval = Duration.seconds(5)
  #endif

  /// How many workers may die of themselves within how long: see ``restartIntensity``.
  public struct RestartIntensity: Hashable, Sendable {
    /// How many may; the next is one too many.
    public var deaths: Int
    /// Within how long they count together.
    public var window: Duration

    public init(deaths: Int, within window: Duration) {
      self.deaths = deaths
      self.window = window
    }
  }

  /// When a worker is replaced: after any of these, between two calls.
  public struct Recycling: Hashable, Sendable {
    /// After so many calls.
    public var calls: Int?
    /// Of memory that is the worker's alone: what it shares with the pool, large arguments for one, does not count.
    public var residentBytes: Int?
    /// So long after it was started.
    public var age: Duration?

    public init(calls: Int? = nil, residentBytes: Int? = nil, age: Duration? = nil) {
      self.calls = calls
      self.residentBytes = residentBytes
      self.age = age
    }
  }

  /// - Parameters:
  ///   - count: see ``count``; `nil`: the processors that this process may use.
  ///   - mechanism: see ``mechanism``.
  ///   - callDeadline: see ``callDeadline``; `nil`: none.
  public init(count: Int? = nil, mechanism: Mechanism = .ring, callDeadline: Duration? = nil) {
    self.count = max(1, count ?? Processors.available)
    self.mechanism = mechanism
    self.callDeadline = callDeadline
  }

  /// Above, a number can only be a mistake.
  private static let mostWorkers = 4096

  var rules: PoolRules {
    var rules = PoolRules()
    rules.maximum = min(max(1, count), Self.mostWorkers)
    rules.minimum = min(rules.maximum, max(0, minimumCount ?? rules.maximum))
    rules.spares = min(max(0, warmSpares), Self.mostWorkers)
    rules.callDeadline = callDeadline
    rules.gracePeriod = gracePeriod
    rules.startTimeout = startTimeout
    rules.idlePeriod = idlePeriod
    rules.restartLimit = restartIntensity.map { .init(deaths: $0.deaths, window: $0.window) }
    rules.backOff = backOff
    rules.maximumAttempts = max(1, maximumAttempts)
    rules.callsPerWorker = recycling.calls
    rules.queueLimit = queueLimit
    return rules
  }

  var process: WorkerProcessConfiguration {
    var process = WorkerProcessConfiguration()
    process.limits = limits
    process.niceness = niceness
    process.environment = environment
    process.standardOutput = standardOutput
    process.standardError = standardError
    return process
  }
}
