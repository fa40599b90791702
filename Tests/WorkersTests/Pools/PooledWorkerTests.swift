import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms

@testable import Workers

/// That a process runs is told on another thread, maybe before the pool knows that process.
@Suite("A worker whose process is not known yet", .blocking)
struct PooledWorkerTests {
  private func worker() throws -> PooledWorker {
    var pair = try Channel.pair(over: .pipe)
    let control = try SocketPair()
    let memory = try SocketPair()
    let journal = try WorkerJournal.create()
    return PooledWorker(
      WorkerID(rawValue: 1), slot: 0, channel: try pair.openFirst(),
      control: UnixSocket(adopting: try control.first.descriptor.copy()),
      memory: UnixSocket(adopting: try memory.first.descriptor.copy()), journal: WorkerJournal(journal.takeMapping()))
  }

  @Test("is killed when it is", arguments: [true, false])
  func killed(_ isAskedTo: Bool) throws {
    let server = try ForkServer.start()
    let process = try Observed(server, "nap")
    let worker = try worker()
    // Or it is gone already, as far as the pool is concerned.
    if isAskedTo { worker.signal(SIGKILL) } else { _ = worker.close() }
    worker.adopt(process.process)
    #expect(try process.end().contains("SIGKILL"))
    _ = worker.close()
  }
}
