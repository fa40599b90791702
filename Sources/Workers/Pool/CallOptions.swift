/// How a call is made.
public struct CallOptions: Sendable {
  /// Of the calls that wait, those of higher priority go first; `nil`: the task's priority.
  public var priority: TaskPriority? {
    get { priorityValue.map { TaskPriority(rawValue: $0) } }
    set { priorityValue = newValue?.rawValue }
  }

  /// How long it may run, in place of the pool's `callDeadline`; see ``WorkerPoolConfiguration/callDeadline`` for when that
  /// begins. Of a ``WorkerFunction`` it is a chunk's: where that is missed, its elements are computed again one by one, each
  /// with this deadline, so that only those that are late themselves fail.
  public var deadline: Duration?

  /// Whether it may be made again when its worker dies while running it, ``WorkerPoolConfiguration/maximumAttempts`` times
  /// at most; never for a worker that is held, nor once the call was cancelled or its deadline has passed.
  public var isRepeatable: Bool

  public init(priority: TaskPriority? = nil, deadline: Duration? = nil, isRepeatable: Bool = false) {
    priorityValue = priority?.rawValue
    self.deadline = deadline
    self.isRepeatable = isRepeatable
  }

  /// As a `TaskPriority` it would have each copy of the options ask at run time how large that is.
  private var priorityValue: UInt8?

  /// What is told of their reports.
  var onReport: (@Sendable ([UInt8]) -> Void)?

  /// Those of the calls that this task makes.
  @TaskLocal static var current = CallOptions()

  /// Whether they say nothing.
  private var areUnset: Bool { priorityValue == nil && deadline == nil && !isRepeatable && onReport == nil }

  /// Makes them those of the calls that `body` makes.
  nonisolated(nonsending) func apply<Result>(
    to body: nonisolated(nonsending) () async throws -> Result
  ) async throws -> Result {
    // To bind what holds anyway would cost each call some hundred nanoseconds.
    if areUnset, Self.current.areUnset { return try await body() }
    return try await Self.$current.withValue(self) { try await body() }
  }

  func request(_ target: CallTarget, _ taskPriority: CallPriority) -> CallRequest {
    var request = CallRequest()
    request.target = target
    request.priority = priorityValue.map { CallPriority(rawValue: $0) } ?? taskPriority
    request.isRepeatable = isRepeatable
    request.deadline = deadline
    return request
  }
}
