import Interprocess
import Synchronization

extension WorkerPool {
  /// Makes calls, and hears what they report while they run, by ``WorkerContext/report(_:)``.
  ///
  /// - Parameters:
  ///   - reports: what they report.
  ///   - onReport: called for each, in order, and soon: the worker waits for it.
  /// - Throws: as ``run(options:_:)`` does; `DecodingError`, after the call has ended, when a report was something else.
  nonisolated(nonsending) public func run<Report: Decodable & Sendable, Result>(
    reports: Report.Type, options: CallOptions = .init(), onReport: @escaping @Sendable (Report) -> Void,
    _ body: nonisolated(nonsending) (Worker) async throws -> Result
  ) async throws -> Result {
    let failure = FirstError()
    let decode = { @Sendable (frame: [UInt8]) in
      do {
        onReport(try FrameReader(frame).rest(Report.self))
      } catch {
        failure.note(error)
      }
    }
    var options = options
    options.onReport = decode
    let result = try await run(options: options, body)
    try failure.throwIfAny()
    return result
  }

  /// Makes calls, and hears what they report while they run as a sequence, which ends with the last call.
  ///
  /// ```swift
  /// let summary = try await pool.run(reports: Progress.self) {
  ///   try await $0.parse(upload)
  /// } listening: { reports in
  ///   for await progress in reports { show(progress) }
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - reports: what they report.
  ///   - limit: how many reports wait for a listener that is slow; past that the oldest are dropped, and the call goes on.
  ///   - body: makes the calls.
  ///   - listening: runs beside it. An error that it throws cancels the calls.
  /// - Throws: as ``run(options:_:)`` does, and what `listening` throws; `DecodingError` when a report was something else.
  public func run<Report: Decodable & Sendable, Result: Sendable>(
    reports: Report.Type, options: CallOptions = .init(), keepingAtMost limit: Int = 256,
    _ body: @escaping @Sendable (Worker) async throws -> Result,
    listening: (AsyncStream<Report>) async throws -> Void
  ) async throws -> Result {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Report.self, bufferingPolicy: .bufferingNewest(max(1, limit)))
    async let result = {
      defer { continuation.finish() }
      return try await run(reports: reports, options: options, onReport: { continuation.yield($0) }, body)
    }()
    try await listening(stream)
    return try await result
  }
}

/// The first report that did not decode.
private final class FirstError: Sendable {
  private let error = Mutex<(any Error)?>(nil)

  func note(_ new: any Error) { error.withLock { $0 = $0 ?? new } }

  func throwIfAny() throws {
    if let error = error.withLock({ $0 }) { throw error }
  }
}
