import Glibc
import Interprocess
import Synchronization
import SystemPackage

// One side of a channel is killed; this process is the other, and says what it learns. Each scenario is a run of its
// own: a process that has opened a channel has threads, and may not fork again.

/// - Returns: whether there is a scenario of this name.
func channelScenario(_ name: String, _ arguments: [String]) throws -> Bool {
  switch name {
  case "channel-kill": try channelKill(arguments)
  case "channel-leaks": try channelLeaks(arguments)
  case "channel-broken-pipe": try channelBrokenPipe(arguments)
  case "channel-fuzz": try channelFuzz(arguments)
  case "channel-queues": try channelQueues(arguments)
  case "channel-drops": try channelDrops()
  case "channel-scarce": try channelScarce(arguments)
  case "channel-strange-queue": try channelStrangeQueue()
  case "channel-talk": try channelTalk(arguments)
  case "channel-victim": try channelVictim(arguments)
  case "channel-survivor": try channelSurvivor(arguments)
  case "channel-names": try channelNames(arguments)
  case "channel-allocations": try channelAllocations(arguments)
  case "channel-naps": try channelNaps(arguments)
  case "mailbox-naps": try mailboxNaps(arguments)
  case "lost-wake": try lostWake(isPinned: arguments.last == "pinned")
  case "refused-barriers": try refuseBarriers()
  default: return false
  }
  return true
}

struct ChannelFailure: Error, CustomStringConvertible {
  let description: String
}

func mechanism(_ name: String?) throws -> Mechanism {
  guard let mechanism = name.flatMap(Mechanism.init(rawValue:)) else {
    throw ChannelFailure(description: "\(name ?? "nothing") is no mechanism")
  }
  return mechanism
}

private enum Moment: String {
  /// The child has sent a message, and waits for one.
  case idle
  /// The child sends a message that is larger than the mechanism, and is stopped in the middle of it.
  case sending
  /// The child receives such a message, and is killed when a part of it may have come.
  case receiving
  /// The child neither sends nor receives, and the parent waits for room.
  case deaf
}

/// Arguments: mechanism, moment, `blocking` or `async`.
private func channelKill(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  guard arguments.count == 3, let moment = Moment(rawValue: arguments[1]) else { return say("which moment?") }
  let survivor = arguments[2] == "async" ? receiveAsync : receiveBlocking
  let large = 40_000_000
  var pair = try Channel.pair(over: mechanism)
  // Set when the child is about to send.
  let mark = try AnonymousMemory(byteCount: 8)
  // Of a mailbox the first end sends.
  let childIsFirst = mechanism.isTwoWay || moment == .idle || moment == .sending
  var child = try ForkedProcess {
    let channel = try childIsFirst ? pair.openFirst() : pair.openSecond()
    switch moment {
    case .idle: try channel.send([1])
    case .sending:
      let message = [UInt8](repeating: 1, count: large)
      try mark.mapping.withAtomic(UInt64.self, at: 0) { $0.store(1, ordering: .releasing) }
      try channel.send(message)
    case .receiving: while try channel.receive() != nil {}
    case .deaf: break
    }
    while true { sleep(60) }
  }
  let channel = try childIsFirst ? pair.openSecond() : pair.openFirst()
  // A task may hold it still when this process ends.
  defer { channel.close() }
  switch moment {
  case .idle:
    guard try channel.receive(timeout: .seconds(20)) == [1] else { return say("no message came") }
    let killer = killThread(child.id, after: 20_000)
    say("receive: \(survivor(channel))")
    pthread_join(killer, nil)
    if mechanism.isTwoWay { say("send: \(sendUntilError(channel, arguments[2], 1000))") }
  case .sending:
    // It fills the mechanism, and sleeps when it cannot go on.
    while try mark.mapping.withAtomic(UInt64.self, at: 0, { $0.load(ordering: .acquiring) }) == 0 { usleep(500) }
    while processStatus(of: "\(child.id)").dropFirst(2).first != "S" { usleep(500) }
    kill(child.id, SIGKILL)
    _ = try child.wait()
    say("receive: \(survivor(channel))")
  case .receiving, .deaf:
    let killer = killThread(child.id, after: moment == .deaf ? 50_000 : 5000)
    say("send: \(sendUntilError(channel, arguments[2], large))")
    pthread_join(killer, nil)
  }
  _ = try child.wait()
}

/// A word for what a channel's call threw.
func errorWord(_ error: any Error) -> String {
  guard let error = error as? ChannelError else { return "\(error)" }
  let words: [(ChannelError.Code, String)] = [
    (.peerDied, "died"), (.peerClosed, "closed"), (.truncatedMessage, "truncated"), (.brokenStream, "broken"),
  ]
  return words.first { $0.0 == error.code }?.1 ?? "\(error)"
}

/// Each way to use a channel gives what became of it, in a word or two; sending gives nothing where nothing went wrong.
func receiveBlocking(_ channel: Channel) -> String {
  do {
    return try channel.receive().map { "\($0.count) bytes" } ?? "end"
  } catch { return errorWord(error) }
}

private func receiveAsync(_ channel: Channel) -> String {
  awaited {
    do {
      return try await channel.receive().map { "\($0.count) bytes" } ?? "end"
    } catch { return errorWord(error) }
  }
}

private func sendUntilError(_ channel: Channel, _ form: String, _ size: Int) -> String {
  let message = [UInt8](repeating: 2, count: size)
  // What is in the mechanism when the other side dies is lost, and no error yet.
  for _ in 0..<100_000 {
    let result = form == "async" ? awaited { await sendAsync(channel, message) } : sendBlocking(channel, message)
    if !result.isEmpty { return result }
  }
  return "no error"
}

func sendBlocking(_ channel: Channel, _ message: [UInt8]) -> String {
  do {
    try channel.send(message)
    return ""
  } catch { return errorWord(error) }
}

func sendAsync(_ channel: Channel, _ message: [UInt8]) async -> String {
  do {
    try await channel.send(message)
    return ""
  } catch { return errorWord(error) }
}

/// Runs a task, and blocks this thread until it is done.
private func awaited(_ body: @escaping @Sendable () async -> String) -> String {
  let finding = Finding()
  Task.detached { finding.set(await body()) }
  return finding.text()
}

/// What a task or a thread finds out.
final class Finding: Sendable {
  private let found = Mutex<String?>(nil)

  func set(_ text: String) { found.withLock { $0 = text } }

  /// Blocks this thread until something is found.
  func text() -> String {
    for _ in 0..<100_000 {
      if let text = found.withLock(\.self) { return text }
      usleep(200)
    }
    return "nothing for 20 seconds"
  }
}

private func killThread(_ id: CInt, after microseconds: useconds_t) -> pthread_t {
  onThread {
    usleep(microseconds)
    kill(id, SIGKILL)
  }
}
