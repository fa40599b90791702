import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Two strangers take turns at a channel over a ring, after pauses that are now shorter than a side spins and now
/// longer. Arguments: those of ``Stranger``, `blocking` or `async`, how many turns, and `refused` where this side has
/// no barrier.
func channelNaps(_ arguments: [String]) throws {
  // A wake-up that is lost shall be a timeout, and not a late look.
  RingNap.firstOnOneProcessor = nil
  if arguments.last == "refused" { try refuseBarriers() }
  let channel = try Stranger(arguments).meet()
  guard arguments.count > 4, let turns = Int(arguments[4]) else { return say("how many turns?") }
  let isFirst = arguments[0] == "connect"
  if arguments[3] == "async" {
    try task { try await takeTurnsInTask(channel, turns, isFirst) }
  } else {
    try takeTurns(channel, turns, isFirst)
  }
  say("\(turns) turns, slept \(voluntarySwitches > turns / 20)")
  channel.close()
}

private func takeTurns(_ channel: Channel, _ turns: Int, _ isFirst: Bool) throws {
  var message = [UInt8](repeating: 0, count: size)
  for number in 0..<(2 * turns) {
    if number.isMultiple(of: 2) == isFirst {
      linger()
      message[0] = UInt8(number % 256)
      try inTime { try channel.send(message, timeout: nap) }
    } else {
      try check(inTime { try channel.receive(timeout: nap) }, number)
    }
  }
}

private func takeTurnsInTask(_ channel: Channel, _ turns: Int, _ isFirst: Bool) async throws {
  var message = [UInt8](repeating: 0, count: size)
  for number in 0..<(2 * turns) {
    if number.isMultiple(of: 2) == isFirst {
      linger()
      message[0] = UInt8(number % 256)
      try await channel.send(message, timeout: nap)
    } else {
      try await check(channel.receive(timeout: nap), number)
    }
  }
}

private func check(_ message: [UInt8]?, _ number: Int) throws {
  guard message?.count != size || message?.first != UInt8(number % 256) else { return }
  throw ChannelFailure(description: "\(message?.count ?? -1) bytes came in turn \(number)")
}

/// So much is written before the index that a processor which need not wait for that has looked long before whether the
/// other side sleeps: what a missing barrier loses is lost more often.
private let size = 4000

/// Two children send to a mailbox with little room. Arguments: whose barriers are refused: `nobody`, `producers`,
/// `receiver` or `all`; how many messages from each.
func mailboxNaps(_ arguments: [String]) throws {
  RingNap.firstOnOneProcessor = nil
  guard let who = arguments.first, let count = arguments.last.flatMap({ Int($0) }) else { return say("whose?") }
  if who == "all" { try refuseBarriers() }
  let capacity = 1 << 14
  let memory = try Ring.create(capacity: capacity, count: 2)
  let bell = try EventCounter()
  let taken = try AnonymousMemory(byteCount: 16)
  func produce(_ index: Int) throws {
    if who == "producers" { try refuseBarriers() }
    var producer = try RingMailbox.producer(index, of: memory.mapping, capacity: capacity, ringing: bell)
    var message = [UInt8](repeating: 0, count: size)
    for number in 0..<count {
      linger()
      message[0] = UInt8(number % 256)
      try inTime { try producer.send(message, timeout: nap) }
      // A later message would wake the receiver for this one too.
      if number.isMultiple(of: 2) { try awaitTaking(of: number + 1, in: taken.mapping, at: 8 * index) }
    }
  }
  var first = try ForkedProcess { try produce(0) }
  var second = try ForkedProcess { try produce(1) }
  if who == "receiver" { try refuseBarriers() }
  var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: capacity, count: 2, bell: bell)
  try receiveAll(&mailbox, count, taken.mapping)
  say("slept \(voluntarySwitches > count / 20)")
  say("\(try first.wait()), \(try second.wait())")
}

private func awaitSleep(of process: pid_t, _ body: () throws -> Void) throws {
  usleep(20_000)
  while processStatus(of: "\(process)").dropFirst(2).first != "S" { usleep(1000) }
  try body()
}

/// A producer is killed that has put a message into the ring, and has not looked yet whether anybody sleeps. To the
/// consumer that is a wake-up lost for want of a barrier: it has to look again soon.
///
/// - Parameter isPinned: this process has one processor, as both sides know from a message before, and the consumer spares
///   the barrier. Else it is refused.
func lostWake(isPinned: Bool) throws {
  #if DEBUG
    RingNap.firstOnOneProcessor = nil
    // The ring's sides count on the barrier; this one has none.
    guard ci_membarrier_register() == 0 else { return say("this kernel has no barriers") }
    let memory = try Ring.create(capacity: 1024)
    let consumerID = getpid()
    var child = try ForkedProcess {
      var producer = try RingProducer(attachingTo: memory.mapping)
      if isPinned { try awaitSleep(of: consumerID) { try producer.send([0]) } }
      RingStep.hook = { step in if step == .beforeLook { kill(getpid(), SIGKILL) } }
      try awaitSleep(of: consumerID) { try producer.send([1]) }
    }
    if isPinned {
      // So long that the child finds it.
      RingNap.firstOnOneProcessor = .seconds(2)
    } else {
      try refuseBarriers()
    }
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    if isPinned { say("\(try inTime { try consumer.receive(timeout: nap) } ?? [])") }
    say("\(try inTime { try consumer.receive(timeout: nap) } ?? [])")
    say("\(try child.wait())")
  #else
    say("release builds have no steps")
  #endif
}

/// - Parameter taken: where to say how many messages of each producer have been received.
private func receiveAll(_ mailbox: inout RingMailbox, _ count: Int, _ taken: borrowing Mapping) throws {
  var next = [0, 0]
  while let (producer, message) = try inTime({ try mailbox.receive(timeout: nap) }) {
    let number = next[producer]
    try check(message, number)
    next[producer] += 1
    try taken.withAtomic(UInt64.self, at: 8 * producer) { $0.store(UInt64(number + 1), ordering: .releasing) }
    // Meanwhile the rings fill up, and their producers sleep.
    if number % 50 == 0 { usleep(500) }
  }
  guard next == [count, count] else { throw ChannelFailure(description: "\(next) messages came") }
}

/// Waits until so many have been taken.
private func awaitTaking(of count: Int, in taken: borrowing Mapping, at offset: Int) throws {
  let start = MonotonicTime.now
  while try taken.withAtomic(UInt64.self, at: offset, { $0.load(ordering: .acquiring) }) < UInt64(count) {
    if MonotonicTime.now - start > late { throw ChannelFailure(description: "nobody took message \(count - 1)") }
    sched_yield()
  }
}

/// Whoever waits longer has missed what was to wake it.
private let nap = Duration.seconds(10)
private let late: Int64 = 5_000_000_000

/// What is found only when the wait is over, nobody was woken for.
private func inTime<Result>(_ body: () throws -> Result) throws -> Result {
  let start = MonotonicTime.now
  let result = try body()
  if MonotonicTime.now - start > late { throw ChannelFailure(description: "it came late") }
  return result
}

/// Does nothing for about as long as a side spins, 50 us: now and then one falls asleep just as the other comes.
private func linger() {
  let end = MonotonicTime.now + Int64.random(in: 15_000..<65_000)
  while MonotonicTime.now < end {}
}

/// How often this process has gone to sleep.
private var voluntarySwitches: Int {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return usage.ru_nvcsw
}
