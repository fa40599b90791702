/// How a call is made.
public struct CallOptions: Sendable {
  /// Of the calls that wait, those of higher priority go first; `nil`: the task's priority.
  public var priority: TaskPriority?

  /// How long it may run, in place of the pool's `callDeadline`; see ``WorkerPoolConfiguration/callDeadline`` for when that
  /// begins. Of a ``WorkerFunction`` it is a chunk's: where that is missed, its elements are computed again one by one, each
  /// with this deadline, so that only those that are late themselves fail.
  public var deadline: Duration?

  /// Whether it may be made again when its worker dies while running it, ``WorkerPoolConfiguration/maximumAttempts`` times
  /// at most; never for a worker that is held, nor once the call was cancelled or its deadline has passed.
  public var isRepeatable: Bool

  public init(priority: TaskPriority? = nil, deadline: Duration? = nil, isRepeatable: Bool = false) {
    self.priority = priority
    self.deadline = deadline
    self.isRepeatable = isRepeatable
  }

  /// What is told of their reports.
  var onReport: (@Sendable ([UInt8]) -> Void)?

  /// Those of the calls that this task makes.
  @TaskLocal static var current = CallOptions()

  func request(_ target: CallTarget) -> CallRequest {
    var request = CallRequest()
    request.target = target
    request.priority = CallPriority(rawValue: (priority ?? Task.currentPriority).rawValue)
    request.isRepeatable = isRepeatable
    request.deadline = deadline
    return request
  }
}
