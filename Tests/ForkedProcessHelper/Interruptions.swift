import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Waits for all kinds of things while a timer interrupts this process every few milliseconds, without `SA_RESTART`.
/// None of the waits may end with `Errno.interrupted`, and those with a timeout end at it.
func interruptions() throws {
  var action = sigaction()
  action.__sigaction_handler.sa_handler = { _ in }
  sigaction(SIGALRM, &action, nil)
  let often = timeval(tv_sec: 0, tv_usec: 3_000)
  var timer = itimerval(it_interval: often, it_value: often)
  setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
  say("interrupted|\(sleep(5) == 0 ? 0 : EINTR)|")

  try interruptedStreams()
  try interruptedQueues()
  try interruptedSemaphores()
  try interruptedLocks()
  try interruptedDescriptors()
}

/// Waits in this process for what a child does a little later.
private func interrupt(_ label: String, _ wait: () throws -> Void, until wake: () throws -> Void) throws {
  var child = try ForkedProcess {
    usleep(30_000)
    try wake()
  }
  provoke(label, wait)
  let ending = try child.wait()
  if !ending.isSuccess { say("\(label), child|-1|\(ending)") }
}

private let short = Duration.milliseconds(30)

private func interruptedStreams() throws {
  let pipe = try Pipe()
  try interrupt("Pipe.read") {
    _ = try pipe.reader.read(upTo: 1)
  } until: {
    try pipe.writer.write([1])
  }
  provoke("Pipe.read, timeout") { _ = try pipe.reader.read(upTo: 1, timeout: short) }
  let room = try pipe.writer.capacity()
  try pipe.writer.write([UInt8](repeating: 0, count: room))
  provoke("Pipe.write, timeout") { try pipe.writer.write([1], timeout: short) }
  try interrupt("Pipe.write") {
    try pipe.writer.write([1])
  } until: {
    _ = try pipe.reader.read(exactly: room)
  }

  let pair = try SocketPair()
  try interrupt("UnixSocket.read") {
    _ = try pair.first.read(upTo: 1)
  } until: {
    try pair.second.write([1])
  }
  provoke("UnixSocket.read, timeout") { _ = try pair.first.read(upTo: 1, timeout: short) }
  let packets = try MessageSocket.pair(.datagram)
  try interrupt("MessageSocket.receive") {
    _ = try packets.first.receive(upTo: 1)
  } until: {
    try packets.second.send([1])
  }
  provoke("MessageSocket.receive, timeout") { _ = try packets.first.receive(upTo: 1, timeout: short) }

  let source = try Pipe()
  let target = try Pipe()
  try interrupt("splice") {
    _ = try source.reader.splice(upTo: 1, into: target.writer)
  } until: {
    try source.writer.write([1])
  }
  provoke("splice, timeout") { _ = try source.reader.splice(upTo: 1, into: target.writer, timeout: short) }

  let directory = try TemporaryDirectory()
  let (fifo, socket) = (directory.path.appending("fifo"), directory.path.appending("socket"))
  try NamedPipe.create(at: fifo)
  try interrupt("NamedPipe.Reader(opening:)") {
    _ = try NamedPipe.Reader(opening: fifo)
  } until: {
    _ = try NamedPipe.Writer(opening: fifo)
  }
  let listener = try UnixListener(at: .path(socket))
  try interrupt("UnixListener.accept") {
    _ = try listener.accept()
  } until: {
    _ = try UnixSocket(connectingTo: .path(socket))
  }
  provoke("UnixListener.accept, timeout") { _ = try listener.accept(timeout: short) }
}

private func interruptedQueues() throws {
  let queue = try POSIXMessageQueue(creating: ownName, maximumMessages: 1, maximumMessageSize: 8)
  try POSIXMessageQueue.unlink(ownName)
  try interrupt("POSIXMessageQueue.receive") {
    _ = try queue.receive()
  } until: {
    try queue.send([1])
  }
  provoke("POSIXMessageQueue.receive, timeout") { _ = try queue.receive(timeout: short) }
  try queue.send([1])
  provoke("POSIXMessageQueue.send, timeout") { try queue.send([1], timeout: short) }
  try interrupt("POSIXMessageQueue.send") {
    try queue.send([2])
  } until: {
    _ = try queue.receive()
  }

  let messages = try SystemVMessageQueue()
  defer { try? messages.remove() }
  try interrupt("SystemVMessageQueue.receive") {
    _ = try messages.receive()
  } until: {
    try messages.send([1], type: 1)
  }
  provoke("SystemVMessageQueue.receive, timeout") { _ = try messages.receive(timeout: short) }
  try messages.setMaximumBytes(1)
  try messages.send([1], type: 1)
  provoke("SystemVMessageQueue.send, timeout") { try messages.send([1], type: 1, timeout: short) }
  try interrupt("SystemVMessageQueue.send") {
    try messages.send([1], type: 1)
  } until: {
    _ = try messages.receive()
  }
}

private func interruptedSemaphores() throws {
  let named = try POSIXSemaphore(creating: ownName, value: 0)
  try POSIXSemaphore.unlink(ownName)
  try interrupt("POSIXSemaphore.acquire") {
    try named.acquire()
  } until: {
    try named.release()
  }
  provoke("POSIXSemaphore.acquire, timeout") { try named.acquire(timeout: short) }

  let memory = try AnonymousMemory(byteCount: 256)
  let unnamed = try UnnamedSemaphore(creatingIn: memory.mapping, at: 0, value: 0)
  try interrupt("UnnamedSemaphore.acquire") {
    try unnamed.acquire()
  } until: {
    try unnamed.release()
  }
  provoke("UnnamedSemaphore.acquire, timeout") { try unnamed.acquire(timeout: short) }

  let set = try SystemVSemaphoreSet(values: [0])
  defer { try? set.remove() }
  try interrupt("SystemVSemaphoreSet.acquire") {
    try set.acquire()
  } until: {
    try set.release()
  }
  provoke("SystemVSemaphoreSet.acquire, timeout") { try set.acquire(timeout: short) }

  let counter = try EventCounter()
  try interrupt("EventCounter.take") {
    _ = try counter.take()
  } until: {
    try counter.add()
  }
  provoke("EventCounter.take, timeout") { _ = try counter.take(timeout: short) }
}

private func interruptedLocks() throws {
  let directory = try TemporaryDirectory()
  let path = directory.path.appending("lock")
  let mine = try FileLock(creatingIfAbsent: path)
  let other = try FileLock(opening: path)
  var held = try other.acquire()
  provoke("FileLock.acquire, timeout") { _ = try mine.acquire(timeout: short) }
  // A child has the same open file, and lets go of the lock for both.
  try interrupt("FileLock.acquire") {
    _ = try mine.acquire()
  } until: {
    try held.release()
  }

  let memory = try AnonymousMemory(byteCount: 256)
  let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
  let condition = try SharedCondition(creatingIn: memory.mapping, at: 64)
  // An interruption may end one wait for the condition, so it is waited for with what it stands for.
  func isThere() throws -> Bool {
    try memory.mapping.withAtomic(UInt32.self, at: 128) { $0.load(ordering: .relaxed) } != 0
  }
  try interrupt("SharedCondition.wait") {
    try mutex.withLock { lock in try condition.wait(with: &lock) { try !isThere() } }
  } until: {
    try memory.mapping.withAtomic(UInt32.self, at: 128) { $0.store(1, ordering: .relaxed) }
    try condition.notifyAll()
  }
  provoke("SharedCondition.wait, timeout") {
    try mutex.withLock { lock in try condition.wait(with: &lock, timeout: short) { true } }
  }
}

private func interruptedDescriptors() throws {
  var child = try ForkedProcess { usleep(30_000) }
  let handle = try ProcessHandle(of: child.id)
  provoke("ProcessHandle.wait") { try handle.wait() }
  provoke("ForkedProcess.wait") { _ = try child.wait() }
  var sleeper = try ForkedProcess { sleep(60) }
  let process = try ProcessHandle(of: sleeper.id)
  provoke("ProcessHandle.wait, timeout") { try process.wait(timeout: short) }
  try sleeper.signal(SIGKILL)
  provoke("ForkedProcess.wait(timeout:)") { _ = try sleeper.wait(timeout: .seconds(10)) }
}
