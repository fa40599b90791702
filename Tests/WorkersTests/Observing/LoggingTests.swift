#if Logging
  import Glibc
  import Logging
  import Synchronization
  import TestSupport
  import Testing
  import WorkerPrograms
  import Workers

  @Suite("The trait Logging")
  struct LoggingTests {
    /// Keeps what is logged.
    private struct Kept: LogHandler {
      struct Entry: Sendable {
        var level: Logger.Level
        var message: String
        var metadata: Logger.Metadata
      }

      final class Store: Sendable {
        let entries = Mutex<[Entry]>([])
      }

      let store: Store
      var metadata: Logger.Metadata = [:]
      var logLevel = Logger.Level.trace

      init(_ store: Store) { self.store = store }

      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }

      func log(event: LogEvent) {
        let entry = Entry(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:])
        store.entries.withLock { $0.append(entry) }
      }
    }

    @Test(
      "a crash is a warning with its call and ending, starts and ends are for debugging, the pool's failure an error")
    func levels() async throws {
      let store = Kept.Store()
      var configuration = WorkerPoolConfiguration(count: 1)
      configuration.logger = Logger(label: "test") { _ in Kept(store) }
      try await withWorkerPool(of: Subject.self, configuration: configuration) { pool in
        let process = try await pool.run { try await $0.process() }
        _ = try? await pool.run { try await $0.die(.exitThree) }
        let entries = store.entries.withLock { $0 }
        #expect(entries.contains { $0.level == .debug && $0.metadata["worker"] == "\(process)" })
        let crash = try #require(entries.first { $0.level == .warning })
        #expect(crash.metadata["worker"] == "\(process)")
        #expect(crash.metadata["ending"] == "exited with code 3")
        #expect(crash.metadata["call"].map { "\($0)".contains("die") } == true)
      }
      #expect(store.entries.withLock { $0.contains { $0.level == .error } } == false)
    }

    @Test("the pool's failure is an error with its cause")
    func failure() async throws {
      let store = Kept.Store()
      var configuration = WorkerPoolConfiguration(count: 1)
      configuration.logger = Logger(label: "test") { _ in Kept(store) }
      configuration.restartIntensity = .init(deaths: 1, within: .seconds(60))
      configuration.environment = [Mortal.startVariable: Way.exitThree.rawValue]
      let pool = try WorkerPool(of: Mortal.self, configuration: configuration)
      await #expect(throws: PoolFailed.self) { try await pool.run { try await $0.process() } }
      await pool.shutDown(.cancel)
      let errors = store.entries.withLock { $0.filter { $0.level == .error } }
      #expect(errors.count == 1)
      #expect(errors.first?.metadata["cause"].map { "\($0)".contains("exited with code 3") } == true)
    }
  }
#endif
