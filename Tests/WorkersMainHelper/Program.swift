import Glibc
import WorkerPrograms
import Workers

/// A program with `@main` and concurrency of its own.
@main
struct Program {
  static func main() async throws {
    print("main runs")
    fflush(nil)
    await Task.detached {}.value
    let server = try ForkServer.start()
    let worker = try Observed(server, "concurrency")
    print(try worker.line())
    print(try worker.end())
    try await withWorkerPool(of: Subject.self, count: 1) { pool in
      print("and \(try await pool.run { try await $0.double(21) })")
    }
  }
}
