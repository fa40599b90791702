import Logging
import Synchronization
import TestSupport
import Testing

/// Keeps what is logged.
final class KeptLog: Sendable {
  struct Entry: Equatable, Sendable {
    var level: Logger.Level
    var message: String
    var metadata: [String: String]
  }

  private struct Handler: LogHandler {
    let log: KeptLog
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(_ log: KeptLog) { self.log = log }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
      log.kept.withLock { $0.append(Entry(level: event.level, message: "\(event.message)", metadata: metadata)) }
    }
  }

  private let kept = Mutex<[Entry]>([])

  var logger: Logger { Logger(label: "test") { _ in Handler(self) } }
  var entries: [Entry] { kept.withLock { $0 } }

  func entries(_ level: Logger.Level) -> [Entry] { entries.filter { $0.level == level } }

  /// The first of that kind, which must come.
  func entry(
    _ level: Logger.Level, _ message: String, of worker: Int32? = nil
  ) async throws -> [String: String] {
    func found() -> Entry? {
      entries(level).first {
        $0.message == message && (worker == nil || $0.metadata["worker"] == worker.map { "\($0)" })
      }
    }
    try await eventually("\(level): \(message)") { found() != nil }
    return try #require(found()).metadata
  }
}
