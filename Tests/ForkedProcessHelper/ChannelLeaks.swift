import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Makes channels, uses some and drops all, and says what has grown. Arguments: mechanism, how many.
func channelLeaks(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  let rounds = arguments.dropFirst().first.flatMap { Int($0) } ?? 100
  // The thread that watches descriptors stays, and so does what the allocator keeps.
  for round in 0..<20 { try makeAndDrop(mechanism, round) }
  usleep(100_000)
  let before = Footprint()
  for round in 0..<rounds { try makeAndDrop(mechanism, round) }
  var after = Footprint()
  // The thread that watches descriptors may be closing the last.
  for _ in 0..<2000 where after.descriptors > before.descriptors {
    usleep(1000)
    after = Footprint()
  }
  say("descriptors \(max(0, after.descriptors - before.descriptors)), threads \(after.threads - before.threads)")
  let grown = after.residentPages - before.residentPages
  say(grown < 1024 ? "memory 0" : "memory \(grown) pages")
}

/// Sends to a side that has gone. Arguments: mechanism, whether SIGPIPE is ignored.
func channelBrokenPipe(_ arguments: [String]) throws {
  signal(SIGPIPE, arguments.last == "ignored" ? SIG_IGN : SIG_DFL)
  var pair = try Channel.pair(over: try mechanism(arguments.first))
  let first = try Channel(pair.takeFirst())
  try Channel(pair.takeSecond()).close()
  for timeout in [nil, Duration.seconds(10)] {
    do {
      try first.send([1], timeout: timeout)
      say("sent")
    } catch { say(error.code == .peerClosed ? "closed" : "\(error)") }
  }
}

private func makeAndDrop(_ mechanism: Mechanism, _ round: Int) throws {
  var pair = try Channel.pair(over: mechanism)
  switch round % 6 {
  case 0:
    let first = try Channel(pair.takeFirst())
    let second = try Channel(pair.takeSecond())
    let size = round % 12 == 0 ? 100 : 9000
    try first.send([UInt8](repeating: 1, count: size), timeout: .seconds(20))
    guard try second.receive(timeout: .seconds(20))?.count == size else {
      throw ChannelFailure(description: "another message came")
    }
    // Some are dropped with messages in them.
    if round % 24 == 6 { try first.send([1, 2, 3]) }
    if round % 12 == 0 { first.close() }
  case 1: break
  case 2: _ = try pair.openFirst()
  case 3: _ = try pair.openSecond()
  case 4:
    // The other end is dropped unopened, with a message in it.
    let first = try Channel(pair.takeFirst())
    try first.send([4])
    first.close()
  default: try Channel(pair.takeSecond()).close()
  }
}

/// Makes channels over POSIX queues until there is no room for another. Argument: RLIMIT_MSGQUEUE, if any.
func channelQueues(_ arguments: [String]) throws {
  if let bytes = arguments.first.flatMap({ UInt($0) }) {
    var limit = rlimit()
    // RLIMIT_MSGQUEUE is 12 on every Linux; Glibc's module leaves it out.
    getrlimit(__rlimit_resource_t(12), &limit)
    limit.rlim_cur = bytes
    setrlimit(__rlimit_resource_t(12), &limit)
  }
  var channels: [Channel] = []
  do {
    while channels.count < 24 {
      var pair = try Channel.pair(over: .posixMessageQueue)
      let (first, second) = (try Channel(pair.takeFirst()), try Channel(pair.takeSecond()))
      let message = [UInt8](repeating: 5, count: 3000)
      try first.send(message, timeout: .seconds(20))
      guard try second.receive(timeout: .seconds(20)) == message else { return say("another message came") }
      channels += [first, second]
    }
  } catch { say("\(error)") }
  say("\(channels.count / 2) channels")
}

/// Makes pairs over System V queues and drops them unopened, while another thread starts programs: each has copies of
/// every descriptor for a moment.
func channelDrops() throws {
  let starter = Background {
    for _ in 0..<30 {
      var id: pid_t = 0
      var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
      guard posix_spawn(&id, "/bin/true", nil, nil, &arguments, environ) == 0 else { continue }
      free(arguments[0])
      var status: CInt = 0
      waitpid(id, &status, 0)
    }
  }
  var count = 0
  while !starter.isDone {
    _ = try Channel.pair(over: .systemVMessageQueue)
    count += 1
  }
  say(count > 0 ? "dropped" : "none was dropped")
}

/// Makes and opens pairs with ever more descriptors to be had, and says how many were not closed.
func channelScarce(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  // The reactor's own descriptors are there to stay.
  try makeAndOpen(mechanism)
  usleep(100_000)
  let before = Footprint().descriptors
  var (refused, opened) = (0, 0)
  for limit in 3..<(before + 40) {
    try limitDescriptors(to: limit)
    do {
      try makeAndOpen(mechanism)
      opened += 1
    } catch { refused += 1 }
    try limitDescriptors(to: 1024)
  }
  // What waits for the peer's end is closed by another thread.
  var left = Footprint().descriptors - before
  for _ in 0..<1000 where left > 0 {
    usleep(10_000)
    left = Footprint().descriptors - before
  }
  say("refused \(refused > 0), opened \(opened > 0), left \(left)")
}

private func makeAndOpen(_ mechanism: Mechanism) throws {
  var pair = try Channel.pair(over: mechanism)
  let first = try Channel(pair.takeFirst())
  let second = try Channel(pair.takeSecond())
  try first.send([1], timeout: .seconds(10))
  guard try second.receive(timeout: .seconds(10)) == [1] else {
    throw ChannelFailure(description: "another message came")
  }
}

private func limitDescriptors(to count: Int) throws {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  limit.rlim_cur = rlim_t(count)
  guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
    throw ChannelFailure(description: "setrlimit: \(errno)")
  }
}

/// Work on a thread of its own.
private final class Background: Sendable {
  private let done = Atomic(false)

  init(_ work: @escaping @Sendable () -> Void) {
    let job = Job { [self] in
      work()
      done.store(true, ordering: .releasing)
    }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        argument.map { Unmanaged<Job>.fromOpaque($0).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(job).toOpaque())
    pthread_detach(thread)
  }

  var isDone: Bool { done.load(ordering: .acquiring) }

  private final class Job: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}
