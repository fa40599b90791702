import Glibc
import Interprocess
import Synchronization
import SystemPackage

// One scenario a run, named by the first argument. The tests read what it prints; each line is one fact.

struct Refused: Error, CustomStringConvertible {
  let description = "the child had a reason"
}

func say(_ fact: String) { print(fact) }

func scenario(_ name: String) throws {
  switch name {
  case "success":
    var child = try ForkedProcess {}
    say("\(try child.wait())")
  case "throws":
    var child = try ForkedProcess { throw Refused() }
    say("\(try child.wait())")
  case "exit-code":
    var child = try ForkedProcess { ForkedProcess.exit(7) }
    say("\(try child.wait())")
  case "killed":
    var child = try ForkedProcess { raise(SIGKILL) }
    say("\(try child.wait())")
  case "signalled":
    var child = try ForkedProcess { sleep(60) }
    try child.signal(SIGTERM)
    say("\(try child.wait())")
  case "timeout":
    var child = try ForkedProcess { sleep(60) }
    say("\(String(describing: try child.wait(timeout: .milliseconds(20))))")
    try child.signal(SIGKILL)
    say("\(try child.wait(timeout: .seconds(10)) == .signalled(SIGKILL, coreDumped: false))")
  case "waited-for-by-tasks":
    try childWaitedForByTasks()
  case "buffered-output":
    print("parent once ", terminator: "")
    var child = try ForkedProcess { print("child once ", terminator: "") }
    _ = try child.wait()
    print("end")
  case "atexit":
    atexit { print("handler ran") }
    var child = try ForkedProcess {}
    _ = try child.wait()
  case "never-returns":
    var child = try ForkedProcess {}
    say("after the fork")
    _ = try child.wait()
  case "dropped":
    let id = try dropped()
    say("\(kill(id, 0)) \(errno == ESRCH)")
  case "reaped-by-nobody":
    // The kernel reaps a child whose end nobody wants to hear of, and its id is anybody's then.
    signal(SIGCHLD, SIG_IGN)
    let child = try ForkedProcess {}
    for _ in 0..<1000 where kill(child.id, 0) == 0 { usleep(10_000) }
    try child.signal(SIGTERM)
    say("nobody was signalled")
  case "reaped-by-another":
    var child = try ForkedProcess {}
    var status: CInt = 0
    waitpid(child.id, &status, 0)
    do { _ = try child.wait() } catch { say("\(error)") }
  case "thread":
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        sleep(60)
        return nil
      }, nil)
    do { _ = try ForkedProcess {} } catch { say("\(error)") }
  case "broken-pipe":
    var pipe = try Pipe()
    try pipe.reader.close()
    do { try pipe.writer.write([1, 2, 3]) } catch { say("\(error)") }
  case "undo":
    try semaphoreUndo()
  case "codec-claims":
    try codecClaims()
  case "half-way":
    try initializersThatFailHalfWay()
  default:
    let argument = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 1
    if try channelScenario(name, Array(CommandLine.arguments.dropFirst(2))) { break }
    if try lockScenario(name) || refusalScenario(name) || ringScenario(name, argument) { break }
    say("unknown scenario")
  }
}

/// A task that times out, one that is cancelled, and one that sees the child's end.
func childWaitedForByTasks() throws {
  // Both before the first task: a process with threads does not fork.
  let first = Mutex<ForkedProcess?>(try ForkedProcess { sleep(60) })
  let second = Mutex<ForkedProcess?>(try ForkedProcess { sleep(60) })
  try task {
    guard var child = first.withLock({ $0.take() }) else { return }
    say("\(String(describing: try await child.wait(timeout: .milliseconds(20))))")
    let id = child.id
    let killing = Task {
      try await Task.sleep(for: .milliseconds(20))
      kill(id, SIGKILL)
    }
    say("\(try await child.wait())")
    say("\(try await child.wait(timeout: .zero) == child.wait())")
    _ = await killing.result
  }
  try task {
    guard var child = second.withLock({ $0.take() }) else { return }
    withUnsafeCurrentTask { $0?.cancel() }
    do { _ = try await child.wait() } catch is CancellationError { say("cancelled") }
  }
}

func dropped() throws -> CInt {
  let child = try ForkedProcess { sleep(60) }
  return child.id
}

/// A holder that is killed: the kernel takes its operation back, and whoever waits goes on.
func semaphoreUndo() throws {
  let semaphore = try SystemVSemaphoreSet(values: [1])
  defer { try? semaphore.remove() }
  let pipe = try Pipe()
  var holder = try ForkedProcess {
    try semaphore.acquire(undo: true)
    try pipe.writer.write([1])
    sleep(60)
  }
  _ = try pipe.reader.read(exactly: 1, timeout: .seconds(10))
  var waiter = try ForkedProcess { try semaphore.acquire(undo: true, timeout: .seconds(10)) }
  for _ in 0..<10_000 where try semaphore.waitingForIncrease() == 0 { usleep(1000) }
  try holder.signal(SIGKILL)
  say("\(try holder.wait())")
  say("handed over: \(try waiter.wait(timeout: .seconds(10))?.isSuccess == true)")
  try semaphore.acquire(undo: true, timeout: .seconds(10))
  say("acquired")
}

do {
  try scenario(CommandLine.arguments.dropFirst().first ?? "")
} catch {
  print("error: \(error)")
  exit(1)
}
