import Interprocess

/// What code that runs in a worker knows of the call it serves.
public struct WorkerContext: Sendable {
  /// The call that this task serves; `nil` outside a worker.
  public static var current: WorkerContext? { Self.task }

  @TaskLocal static var task: WorkerContext?

  package let call: UInt64
  let current: CurrentCall

  /// Package: tests have workers send what no worker sends.
  package func send(_ frame: [UInt8]) throws { try current.send(frame) }

  /// Tells the caller something while the call runs: how far it has come, for instance. It waits while the caller is slow.
  ///
  /// Outside a worker, when the call has been answered (in a task that it left behind), and where the caller does not
  /// listen, it does nothing. The caller listens by
  /// ``WorkerPool/run(reports:options:onReport:_:)``.
  ///
  /// - Throws: `EncodingError`; `ChannelError` when the caller has gone.
  public static func report(_ value: some Encodable & Sendable) throws {
    guard let context = Self.current else { return }
    var frame = Frame.begin(.report, context.call)
    try CBOREncoder().encode(value, into: &frame)
    try context.current.report(frame, of: context.call)
  }
}
