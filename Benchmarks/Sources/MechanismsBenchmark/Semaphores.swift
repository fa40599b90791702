import CLoops
import Glibc
import Interprocess

final class POSIXSemaphoreLoop: Mechanism {
  static let name = "POSIX semaphore"
  static let python: PythonPeer? = PythonPeer(module: "posix_ipc", kind: "semaphore", factor: 10)

  /// Without a system call it takes nanoseconds.
  static let count = 50_000

  private let semaphore: POSIXSemaphore

  init() throws {
    semaphore = try POSIXSemaphore(creating: "/mechanisms-benchmark-\(getpid())", value: 0)
  }

  deinit { try? POSIXSemaphore.unlink(semaphore.name) }

  func runSwift(_ count: Int) throws {
    for _ in 0..<count {
      try semaphore.release()
      try semaphore.acquire()
    }
  }

  func runTrying(_ count: Int) throws {
    for _ in 0..<count {
      try semaphore.release()
      _ = try semaphore.tryAcquire()
    }
  }

  func runSuspending(_ count: Int) async throws {
    for _ in 0..<count {
      try semaphore.release()
      try await semaphore.acquire()
    }
  }

  var peers: [CPeer] {
    [CPeer { c_posix_semaphore(self.semaphore.name, $0) }]
  }
}

final class SystemVSemaphoreLoop: Mechanism {
  static let name = "System V semaphore"
  // Nothing is demanded: on both sides it is one system call, and hardly anything else.
  static let python: PythonPeer? = PythonPeer(module: "sysv_ipc", kind: "semaphore", factor: nil)

  private let set: SystemVSemaphoreSet

  init() throws { set = try SystemVSemaphoreSet(values: [0]) }

  deinit { try? set.remove() }

  func runSwift(_ count: Int) throws {
    for _ in 0..<count {
      try set.release()
      try set.acquire()
    }
  }

  func runTrying(_ count: Int) throws {
    for _ in 0..<count {
      try set.release()
      _ = try set.tryAcquire()
    }
  }

  func runSuspending(_ count: Int) async throws {
    for _ in 0..<count {
      try set.release()
      try await set.acquire()
    }
  }

  var peers: [CPeer] {
    [CPeer { c_system_v_semaphore(self.set.id, $0) }]
  }
}
