import BenchmarkSupport
import CLoops
import Glibc
import Interprocess
import SystemPackage

final class UnnamedSemaphoreLoop: Mechanism {
  static let name = "unnamed semaphore"
  static let count = 50_000

  private let semaphore: UnnamedSemaphore

  init() throws {
    let memory = try AnonymousMemory(byteCount: 4096)
    semaphore = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 0)
  }

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

  var peers: [CPeer] { [CPeer { c_unnamed_semaphore($0) }] }
}

final class SharedMutexLoop: Mechanism {
  static let name = "shared mutex"
  static let isLock = true
  static let count = 50_000

  private let mutex: SharedMutex
  private var total = 0

  init() throws {
    let memory = try AnonymousMemory(byteCount: 4096)
    mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  }

  func runSwift(_ count: Int) throws {
    for _ in 0..<count { try mutex.withLock { _ in total += 1 } }
  }

  var peers: [CPeer] { [CPeer { c_mutex($0) }] }
}

final class EventCounterLoop: Mechanism {
  static let name = "event counter"

  private let counter: EventCounter

  init() throws { counter = try EventCounter() }

  func runSwift(_ count: Int) throws {
    for _ in 0..<count {
      try counter.add()
      _ = try counter.take()
    }
  }

  func runTrying(_ count: Int) throws {
    for _ in 0..<count {
      _ = try counter.tryAdd()
      _ = try counter.tryTake()
    }
  }

  func runSuspending(_ count: Int) async throws {
    for _ in 0..<count {
      try await counter.add()
      _ = try await counter.take()
    }
  }

  var peers: [CPeer] {
    let descriptor = counter.descriptor.rawValue
    return [CPeer { c_event_counter(descriptor, $0) }]
  }
}

final class FileLockLoop: Mechanism {
  static let name = "file lock"
  static let isLock = true

  private let file: TemporaryFile
  private let lock: FileLock
  private let other: OwnedDescriptor

  init() throws {
    file = try TemporaryFile()
    lock = try FileLock(opening: file.path)
    other = OwnedDescriptor(adopting: open(file.path.string, O_RDWR | O_CLOEXEC))
  }

  func runSwift(_ count: Int) throws {
    for _ in 0..<count {
      var held = try lock.acquire()
      try held.release()
    }
  }

  var peers: [CPeer] {
    let descriptor = other.rawValue
    return [CPeer { c_file_lock(descriptor, $0) }]
  }
}
