import Glibc
import Interprocess
import Synchronization
import SystemPackage

// What becomes of locks whose holder is killed.

private let generous = Duration.seconds(10)

/// - Returns: whether there is such a scenario.
func lockScenario(_ name: String) throws -> Bool {
  switch name {
  case "mutex-repaired": try mutexRepaired()
  case "mutex-left-broken": try mutexLeftBroken()
  case "mutex-handed-over": try mutexHandedOver()
  case "condition-killed-waiters": try conditionKilledWaiters()
  case "condition-owner-died": try conditionOwnerDied()
  case "condition-left-broken": try conditionLeftBroken()
  case "condition-handover": try conditionHandover()
  case "semaphore": try semaphoreInMemory()
  case "file-lock": try fileLock()
  case "file-lock-inherited": try fileLockInherited()
  default: return false
  }
  return true
}

private func killHolding(_ mutex: SharedMutex) throws {
  var child = try ForkedProcess {
    try mutex.withLock { _ in _ = raise(SIGKILL) }
  }
  say("\(try child.wait())")
}

/// A waiter whose lock nobody can have any more when it is woken.
private func conditionLeftBroken() throws {
  let memory = try AnonymousMemory(byteCount: 192)
  let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
  let array = try SharedArray(repeating: 0, count: 1)
  var waiter = try ForkedProcess {
    try mutex.withLock { lock in
      array[0] = 1
      do { try condition.wait(with: &lock, timeout: generous) } catch { say("\(error)") }
      do { try condition.wait(with: &lock, timeout: generous) } catch { say("\(error)") }
    }
  }
  while array[0] == 0 { usleep(1000) }
  // Once it can be had, the waiter waits.
  try killHolding(mutex)
  // Nobody repairs it.
  try mutex.withLock(timeout: generous) { _ in }
  try condition.notifyAll()
  say("\(try waiter.wait())")
}

private func mutexRepaired() throws {
  let memory = try AnonymousMemory(byteCount: 64)
  let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  try killHolding(mutex)
  try mutex.withLock(timeout: generous) { lock in
    say("owner died: \(lock.ownerDied)")
    try lock.markConsistent()
    say("owner died: \(lock.ownerDied)")
  }
  try mutex.withLock(timeout: generous) { lock in say("owner died: \(lock.ownerDied)") }
  try killHolding(mutex)
  _ = try mutex.withLockIfAvailable { lock in
    say("owner died: \(lock.ownerDied)")
    try lock.markConsistent()
  }
}

/// A waiter that is blocked already when the holder is killed.
private func mutexHandedOver() throws {
  let memory = try AnonymousMemory(byteCount: 64)
  let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  let pipe = try Pipe()
  var holder = try ForkedProcess {
    try mutex.withLock { _ in
      try pipe.writer.write([1])
      sleep(60)
    }
  }
  _ = try pipe.reader.read(exactly: 1, timeout: generous)
  var waiter = try ForkedProcess {
    try pipe.writer.write([2])
    try mutex.withLock(timeout: generous) { lock in
      if !lock.ownerDied { ForkedProcess.exit(7) }
      try lock.markConsistent()
    }
  }
  _ = try pipe.reader.read(exactly: 1, timeout: generous)
  // It waits without the kernel telling so; a while later it does.
  usleep(50_000)
  try holder.signal(SIGKILL)
  say("\(try holder.wait())")
  say("handed over: \(try waiter.wait(timeout: generous)?.isSuccess == true)")
  try mutex.withLock(timeout: generous) { lock in say("owner died: \(lock.ownerDied)") }
}

private func mutexLeftBroken() throws {
  let memory = try AnonymousMemory(byteCount: 64)
  let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  try killHolding(mutex)
  try mutex.withLock(timeout: generous) { _ in }
  for _ in 0..<2 {
    do { try mutex.withLock(timeout: generous) { _ in say("held") } } catch { say("\(error)") }
  }
  do { _ = try mutex.withLockIfAvailable { _ in say("held") } } catch { say("\(error)") }
}

/// Memory with a mutex at 0, a condition at 64, and a number at 128.
private struct Monitor: ~Copyable {
  let memory: AnonymousMemory
  let mutex: SharedMutex
  let condition: SharedCondition

  static func make() throws -> Monitor {
    let memory = try AnonymousMemory(byteCount: 192)
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
    return Monitor(memory: memory, mutex: mutex, condition: condition)
  }

  func number() throws -> UInt32 { try memory.mapping.withAtomic(UInt32.self, at: 128) { $0.load(ordering: .relaxed) } }

  func add(_ change: UInt32) throws {
    _ = try memory.mapping.withAtomic(UInt32.self, at: 128) { $0.wrappingAdd(change, ordering: .relaxed) }
  }

  /// A child that counts itself in, waits until the number reaches 100, and counts one more.
  func waiter() throws -> ForkedProcess {
    try ForkedProcess {
      try mutex.withLock { lock in
        try add(1)
        try condition.wait(with: &lock, timeout: generous) { try number() < 100 }
        try add(1)
      }
    }
  }

  func untilWaiting(_ count: UInt32) throws {
    while try number() < count { usleep(1_000) }
    // They have counted themselves in, but may not sleep yet; a while later they do.
    usleep(50_000)
  }
}

private func conditionKilledWaiters() throws {
  let monitor = try Monitor.make()
  var first = try monitor.waiter()
  var second = try monitor.waiter()
  try monitor.untilWaiting(2)
  try first.signal(SIGKILL)
  try second.signal(SIGKILL)
  say("\(try first.wait()), \(try second.wait())")
  var live = try monitor.waiter()
  try monitor.untilWaiting(3)
  // A condition of pthread's hangs here, once a few have been told.
  for _ in 0..<100 { try monitor.condition.notifyAll() }
  for _ in 0..<100 { try monitor.condition.notifyOne() }
  try monitor.mutex.withLock(timeout: generous) { lock in
    say("owner died: \(lock.ownerDied)")
    try monitor.add(100)
  }
  try monitor.condition.notifyOne()
  say("\(String(describing: try live.wait(timeout: generous)))")
  say("\(try monitor.number())")
}

private func conditionOwnerDied() throws {
  let monitor = try Monitor.make()
  var waiter = try ForkedProcess {
    try monitor.mutex.withLock { lock in
      try monitor.add(1)
      try monitor.condition.wait(with: &lock, timeout: generous) { true }
      say("owner died: \(lock.ownerDied)")
      do { try monitor.condition.wait(with: &lock) } catch { say("\(error)") }
      try lock.markConsistent()
    }
  }
  try monitor.untilWaiting(1)
  var child = try ForkedProcess {
    try monitor.mutex.withLock { _ in
      try monitor.condition.notifyAll()
      raise(SIGKILL)
    }
  }
  say("\(try child.wait())")
  say("\(String(describing: try waiter.wait(timeout: generous)))")
}

/// Two processes that take turns a thousand times: no notification is lost.
private func conditionHandover() throws {
  let monitor = try Monitor.make()
  var child = try ForkedProcess {
    try takeTurns(monitor, odd: true)
  }
  try takeTurns(monitor, odd: false)
  say("\(try child.wait())")
  say("\(try monitor.number())")
}

private func takeTurns(_ monitor: borrowing Monitor, odd: Bool) throws {
  for _ in 0..<1000 {
    try monitor.mutex.withLock(timeout: generous) { lock in
      while (try monitor.number() % 2 == 1) != odd { try monitor.condition.wait(with: &lock, timeout: generous) }
      try monitor.add(1)
    }
    try monitor.condition.notifyOne()
  }
}

private func semaphoreInMemory() throws {
  let memory = try AnonymousMemory(byteCount: 64)
  let semaphore = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 0)
  var child = try ForkedProcess { try semaphore.release() }
  try semaphore.acquire(timeout: generous)
  say("\(try child.wait())")
}

private func fileLock() throws {
  let file = try TemporaryFile()
  let path = file.path
  let pipe = try Pipe()
  var child = try ForkedProcess {
    let lock = try FileLock(opening: path)
    let held = try lock.acquire()
    try pipe.writer.write([1])
    sleep(60)
    _ = consume held
  }
  _ = try pipe.reader.read(upTo: 1, timeout: generous)
  let lock = try FileLock(opening: path)
  say("taken: \(try lock.tryAcquire() != nil)")
  say("holder: \(String(describing: try lock.conflict()?.holder))")
  do { _ = try lock.acquire(timeout: .milliseconds(20)) } catch { say("timed out: \(error.isTimeout)") }
  // Killed a while after this process has begun to wait.
  let id = child.id
  var killer = try ForkedProcess {
    usleep(50_000)
    kill(id, SIGKILL)
  }
  _ = try lock.acquire(timeout: generous)
  say("acquired")
  say("\(try child.wait())")
  _ = try killer.wait()
}

/// A child forked while the lock is held shares it.
private func fileLockInherited() throws {
  let file = try TemporaryFile()
  var child: ForkedProcess
  do {
    let lock = try FileLock(opening: file.path)
    var held = try lock.acquire()
    child = try ForkedProcess { sleep(60) }
    let other = try FileLock(opening: file.path)
    say("taken: \(try other.tryAcquire() != nil)")
    try held.release()
  }
  let other = try FileLock(opening: file.path)
  say("taken: \(try other.tryAcquire() != nil)")
  try child.signal(SIGKILL)
  _ = try child.wait()
}
