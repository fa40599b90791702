import Glibc
import WorkerPrograms
import Workers

/// A pool of two workers, of which one has a call that never ends.
func pool() throws {
  Task {
    let pool = try WorkerPool(of: Subject.self, configuration: .init(count: 2))
    _ = try await pool.run { try await $0.poll() }
  }
  while true { pause() }
}
