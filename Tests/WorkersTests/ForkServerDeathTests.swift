import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing
import WorkerPrograms
import Workers

@Suite("ForkServer's death", .blocking)
struct ForkServerDeathTests {
  @Test("running workers go on, and what the fork server would have told is unknown")
  func workersGoOn() throws {
    let ended = Mutex<ProcessEnding?>(nil)
    let server = try ForkServer.start { ending in ended.withLock { $0 = ending } }
    let worker = try Observed(server, "ready nap")
    _ = try worker.line()
    kill(server.processID, SIGKILL)
    try within10Seconds("the fork server's end") { ended.withLock { $0 } == .signalled(SIGKILL, coreDumped: false) }
    #expect(server.hasEnded && worker.ending == nil)
    #expect(throws: InterprocessError.self) { _ = try Observed(server, "end") }
    worker.process.kill()
    #expect(try worker.end() == "unknown")
    try server.waitForEnd(timeout: generous)
  }

  @Test("ending a dead fork server ends the workers that it left")
  func endAfterDeath() throws {
    let server = try ForkServer.start()
    let workers = try ["ready nap", "ready spin", "ready stop"].map { try Observed(server, $0) }
    for worker in workers { _ = try worker.line() }
    kill(server.processID, SIGKILL)
    server.end()
    try server.waitForEnd(timeout: generous)
    for worker in workers { #expect(worker.ending != nil) }
  }

  @Test("killed 100 times under load, each worker asked for is either known or told not to have started")
  func killedUnderLoad() throws {
    for round in 0..<100 {
      let server = try ForkServer.start()
      var workers: [Observed] = []
      for index in 0..<6 {
        guard let worker = try? Observed(server, "ready nap") else { break }
        workers.append(worker)
        if index == 0 { _ = try worker.line() }
      }
      usleep(UInt32(round * 37 % 3000))
      kill(server.processID, SIGKILL)
      try within10Seconds("a fork server's end") { server.hasEnded }
      server.end()
      try server.waitForEnd(timeout: generous)
      for worker in workers {
        let ids = worker.events.compactMap { if case .started(let id) = $0 { id } else { nil } }
        let ending = try worker.end()
        if ids.isEmpty { #expect(ending.hasPrefix("not started: "), "\(ending)") }
      }
    }
  }

  @Test("a fork server that is stopped is ended all the same")
  func stopped() throws {
    let server = try ForkServer.start()
    let worker = try Observed(server, "ready nap")
    _ = try worker.line()
    kill(server.processID, SIGSTOP)
    server.end()
    try server.waitForEnd(timeout: generous)
    #expect(worker.ending != nil)
  }

  @Test("a stopped worker without a fork server dies with the parent when another fork server has adopted it")
  func adopted() throws {
    let lines = try Parent.run(["dying", "-adopted", "nap"]) { _ in }
    try Parent.expectGone(lines)
  }
}
