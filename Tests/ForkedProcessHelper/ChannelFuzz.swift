import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A hostile other side: it writes what no channel writes, takes what it likes, spoils what both sides have, and goes,
/// before or while this process receives from it, or sends to it.
///
/// Arguments: mechanism; seed, or `-`; rounds; what this process does, see ``ChannelFuzzUse``.
func channelFuzz(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  guard arguments.count >= 3, let rounds = Int(arguments[2]),
    let use = ChannelFuzzUse(rawValue: arguments.dropFirst(3).first ?? "receive")
  else { return say("which seed, how many rounds, and what is done?") }
  var random = SeededGenerator(seed: Seed.announced(UInt64(arguments[1])))
  let tally = ChannelFuzzTally()
  if use.isInTasks { try task(makeWhatStays) }
  for _ in 0..<5 { try oneRound(mechanism, use, &random, tally) }
  // A claim of gigabytes has to fail as a message, not as memory.
  limitAddresses(to: 512 << 20)
  let before = Footprint()
  for _ in 0..<rounds { try oneRound(mechanism, use, &random, tally) }
  var after = Footprint()
  for _ in 0..<2000 where after.descriptors > before.descriptors {
    usleep(1000)
    after = Footprint()
  }
  say("\(tally)")
  say("descriptors \(max(0, after.descriptors - before.descriptors))")
  let grown = after.residentPages - before.residentPages
  say(grown < 2048 ? "memory 0" : "memory \(grown) pages")
}

/// The first task that sleeps, and the first that waits for a descriptor, have descriptors made that stay.
@Sendable private func makeWhatStays() async throws {
  // So long that there has to be a timer.
  try await Task.sleep(for: .milliseconds(20))
  _ = try? await EventCounter().take(timeout: .milliseconds(1))
}

/// What this process does with its end.
private enum ChannelFuzzUse: String {
  case receive
  case receiveInTasks = "receive-async"
  case send
  case sendInTasks = "send-async"

  var isSending: Bool { self == .send || self == .sendInTasks }
  var isInTasks: Bool { self == .receiveInTasks || self == .sendInTasks }
}

/// Attacks one channel.
private func oneRound(
  _ mechanism: Mechanism, _ use: ChannelFuzzUse, _ random: inout SeededGenerator, _ tally: ChannelFuzzTally
) throws {
  var pair = try Channel.pair(over: mechanism)
  // Of a mailbox the first end sends.
  let theirs: ChannelEndpoint
  let ours: ChannelEndpoint
  if use.isSending {
    ours = try pair.takeFirst()
    theirs = try pair.takeSecond()
  } else {
    theirs = try pair.takeFirst()
    ours = try pair.takeSecond()
  }
  // Whatever length is claimed is within the limit.
  let isLimited = !use.isSending && Bool.random(using: &random)
  let channel = try Channel(ours, .init(maximumMessageSize: isLimited ? 10_000 : .max))
  // A task may hold it a little longer.
  defer { channel.close() }
  let attacker = try Attacker(theirs, isReceiving: use.isSending, SeededGenerator(seed: random.next()))
  let thread = onThread { attacker.attack() }
  // Some attacks are over before anybody looks: those come again exactly.
  let isOver = Bool.random(using: &random)
  if isOver { pthread_join(thread, nil) }
  let user = ChannelFuzzUser(channel: channel, tally: tally, seed: random.next())
  try user.use(use, whileAttacked: true)
  if !isOver { pthread_join(thread, nil) }
  try user.use(use, whileAttacked: false)
}

/// What became of messages.
private final class ChannelFuzzTally: Sendable, CustomStringConvertible {
  private let messages = Atomic(0)
  private let errors = Atomic(0)

  var description: String {
    "messages \(messages.load(ordering: .relaxed) > 0), errors \(errors.load(ordering: .relaxed) > 0)"
  }

  func noteMessage() { messages.add(1, ordering: .relaxed) }

  func note(_ message: [UInt8]) throws {
    guard message.count < 1 << 20 else { throw ChannelFailure(description: "a message of \(message.count) bytes") }
    noteMessage()
  }

  /// - Returns: whether it is worth while to go on.
  func note(_ error: any Error, after timeout: Duration?) throws -> Bool {
    guard let error = error as? ChannelError else { throw error }
    if error.isTimeout {
      guard let timeout, timeout < .seconds(1) else { throw ChannelFailure(description: "it hung") }
      return false
    }
    if error.systemError != nil { throw ChannelFailure(description: "\(error)") }
    errors.add(1, ordering: .relaxed)
    return error.code != .peerDied && error.code != .truncatedMessage
  }
}

/// The side that is attacked.
private struct ChannelFuzzUser: Sendable {
  let channel: Channel
  let tally: ChannelFuzzTally
  let seed: UInt64

  /// The other side always goes in the end, and this side learns of it.
  private static let patience = Duration.seconds(20)
  /// What messages are made of.
  private static let bytes = [UInt8](repeating: 7, count: 2 << 20)

  func use(_ use: ChannelFuzzUse, whileAttacked isAttacked: Bool) throws {
    var random = SeededGenerator(seed: seed)
    switch use {
    case .receive: try receive(isAttacked ? .milliseconds(1) : Self.patience)
    case .receiveInTasks: try task { try await receiveInTask(isAttacked ? .milliseconds(1) : Self.patience) }
    case .send where isAttacked: try send(&random)
    case .send: try sendUntilRefused(Bool.random(using: &random) ? nil : Self.patience)
    case .sendInTasks where isAttacked:
      try task {
        var random = SeededGenerator(seed: seed)
        try await sendInTask(&random)
      }
    case .sendInTasks: try task { try await sendUntilRefusedInTask(Self.patience) }
    }
  }
}

extension ChannelFuzzUser {
  // An error may come again and again: it is the same nonsense still.

  private func receive(_ timeout: Duration) throws {
    for _ in 0..<40 {
      do {
        guard let message = try channel.receive(timeout: timeout) else { return }
        try tally.note(message)
      } catch { if try !tally.note(error, after: timeout) { return } }
    }
  }

  private func receiveInTask(_ timeout: Duration) async throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<40 {
      do {
        if Int.random(in: 0..<8, using: &random) == 0 {
          try await cancelled { _ = try await channel.receive(timeout: timeout) }
        }
        guard let message = try await channel.receive(timeout: timeout) else { return }
        try tally.note(message)
      } catch { if try !tally.note(error, after: timeout) { return } }
    }
  }
}

extension ChannelFuzzUser {
  private func send(_ random: inout SeededGenerator) throws {
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      let (size, timeout) = message(&random)
      do {
        let passed = passed(&random)
        try channel.send(Self.bytes.span.bytes.extracting(0..<size), passing: passed, timeout: timeout)
        tally.noteMessage()
      } catch { _ = try tally.note(error, after: timeout) }
    }
  }

  private func sendInTask(_ random: inout SeededGenerator) async throws {
    for number in 0..<Int.random(in: 1...8, using: &random) {
      let (size, timeout) = message(&random)
      do {
        if number % 4 == 3 {
          try await cancelled { try await channel.send(Self.bytes.span.bytes.extracting(0..<size)) }
        } else {
          let passed = passed(&random)
          try await channel.send(Self.bytes.span.bytes.extracting(0..<size), passing: passed, timeout: timeout)
        }
        tally.noteMessage()
      } catch { _ = try tally.note(error, after: timeout) }
    }
  }

  private func message(_ random: inout SeededGenerator) -> (size: Int, timeout: Duration) {
    let most = [0, 100, 5000, 70_000, Self.bytes.count].randomElement(using: &random) ?? 0
    return (Int.random(in: 0...most, using: &random), .microseconds(Int.random(in: 0...2000, using: &random)))
  }

  private func passed(_ random: inout SeededGenerator) -> [FileDescriptor] {
    guard channel.mechanism.carriesDescriptors, Int.random(in: 0..<4, using: &random) == 0 else { return [] }
    return [.standardInput, .standardError]
  }

  // To one who has gone nothing can be sent for ever.

  private func sendUntilRefused(_ timeout: Duration?) throws {
    for _ in 0..<2000 {
      do {
        try channel.send(Self.bytes.span.bytes.extracting(0..<8000), timeout: timeout)
      } catch {
        _ = try tally.note(error, after: timeout)
        return
      }
    }
    throw ChannelFailure(description: "messages without end went to nobody")
  }

  private func sendUntilRefusedInTask(_ timeout: Duration?) async throws {
    for _ in 0..<2000 {
      do {
        try await channel.send(Self.bytes.span.bytes.extracting(0..<8000), timeout: timeout)
      } catch {
        _ = try tally.note(error, after: timeout)
        return
      }
    }
    throw ChannelFailure(description: "messages without end went to nobody")
  }
}

/// Begins something that nobody waits for in the end.
private func cancelled(_ body: @escaping @Sendable () async throws -> Void) async throws {
  let task = Task { try await body() }
  try await Task.sleep(for: .microseconds(100))
  task.cancel()
  do { try await task.value } catch is CancellationError {}
}
