import CInterprocess
import Glibc
import Interprocess
import SystemPackage

/// A hostile other side: it writes what no channel writes, and this process receives it. Arguments: mechanism, seed,
/// rounds.
func channelFuzz(_ arguments: [String]) throws {
  let mechanism = try mechanism(arguments.first)
  let numbers = arguments.dropFirst().compactMap { UInt64($0) }
  guard numbers.count == 2 else { return say("which seed, how many rounds?") }
  var random = Xorshift(state: numbers[0] | 1)
  var outcomes = [0, 0, 0]
  try oneRound(mechanism, &random, &outcomes)
  // A claim of gigabytes has to fail as a message, not as memory.
  limitAddresses(to: 512 << 20)
  let before = Footprint()
  for _ in 0..<numbers[1] { try oneRound(mechanism, &random, &outcomes) }
  var after = Footprint()
  for _ in 0..<2000 where after.descriptors > before.descriptors {
    usleep(1000)
    after = Footprint()
  }
  say("messages \(outcomes[0] > 0), errors \(outcomes[1] > 0)")
  say("descriptors \(max(0, after.descriptors - before.descriptors))")
  let grown = after.residentPages - before.residentPages
  say(grown < 2048 ? "memory 0" : "memory \(grown) pages")
}

/// Sends up to some dozen pieces of nonsense, goes, and has the other side receive until it is told to stop.
private func oneRound(_ mechanism: Mechanism, _ random: inout Xorshift, _ outcomes: inout [Int]) throws {
  var pair = try Channel.pair(over: mechanism)
  let theirs = try pair.takeFirst()
  // Whatever length is claimed is within the limit.
  let limit = random.next() % 2 == 0 ? Int.max : 10_000
  let channel = try Channel(pair.takeSecond(), .init(maximumMessageSize: limit))
  let attacker = try Attacker(theirs)
  for _ in 0..<(random.next() % 12 + 1) { attacker.write(nonsense(mechanism, &random), &random) }
  if random.next() % 4 == 0 { try receive(channel, .milliseconds(1), &outcomes) }
  attacker.leave(theirs, &random)
  try receive(channel, .seconds(20), &outcomes)
}

private func receive(_ channel: Channel, _ timeout: Duration, _ outcomes: inout [Int]) throws {
  // An error may come again and again: it is the same nonsense still.
  for _ in 0..<40 {
    do {
      guard let message = try channel.receive(timeout: timeout) else { return }
      outcomes[0] += 1
      guard message.count < 1 << 20 else { throw ChannelFailure(description: "a message of \(message.count) bytes") }
    } catch let error as ChannelError {
      if error.isTimeout {
        if timeout > .seconds(1) { throw ChannelFailure(description: "it hung") }
        return
      }
      if error.systemError != nil { throw ChannelFailure(description: "\(error)") }
      outcomes[1] += 1
      if error.code == .peerDied || error.code == .truncatedMessage { return }
    }
  }
}

/// The other side's descriptors, used as they are.
private struct Attacker {
  let mechanism: Mechanism
  let numbers: [CInt]
  let queue: CInt
  let ring: RingAttack?

  init(_ end: borrowing ChannelEndpoint) throws {
    mechanism = end.mechanism
    numbers = end.fileDescriptors.map(\.rawValue)
    let description = end.description
    queue =
      description[2] == 0
      ? -1 : CInt(description[3]) | CInt(description[4]) << 8 | CInt(description[5]) << 16 | CInt(description[6]) << 24
    ring = mechanism.isOverRings ? try RingAttack(end, id: queue) : nil
  }

  func write(_ bytes: [UInt8], _ random: inout Xorshift) {
    switch mechanism {
    case .pipe, .namedPipe: _ = Glibc.write(numbers[1], bytes, min(bytes.count, 4000))
    case .socketPair, .unixSocket:
      let passed = random.next() % 3 == 0 ? Int(random.next() % 5) : 0
      let socket = UnixSocket(adopting: OwnedDescriptor(adopting: dup(numbers[0])))
      let files = Array(repeating: FileDescriptor.standardInput, count: passed)
      try? socket.write(bytes, passing: files, timeout: .zero)
    case .posixMessageQueue:
      // A moment that has passed: for looking without waiting.
      var past = timespec()
      _ = ci_mq_send(numbers[1], bytes, min(bytes.count, 8192), 0, &past)
    case .systemVMessageQueue:
      let kinds: [Int] = [1, 1, 2, 2, 3, 3, 4, 5, 255, 256, .max]
      let queue = SystemVMessageQueue(id: queue)
      let kind = kinds[Int(random.next() % UInt64(kinds.count))]
      _ = try? queue.trySend(bytes.span.bytes, type: kind)
    case .file:
      _ = pwrite(numbers[1], bytes, bytes.count, off_t(random.next() % 100))
      let claims: [UInt64] = [UInt64(bytes.count), 1 << 40, 1 << 30, 1, 1 << 62]
      var claim = claims[Int(random.next() % UInt64(claims.count))]
      _ = Glibc.write(numbers[3], &claim, 8)
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: ring?.write(bytes, &random)
    }
  }

  /// Goes, in order or not.
  func leave(_ end: consuming ChannelEndpoint, _ random: inout Xorshift) {
    ring?.leave(&random)
    _ = end.isFirst
  }
}

extension Mechanism {
  fileprivate var isOverRings: Bool {
    switch self {
    case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring: true
    default: false
    }
  }
}

/// Bytes that look like those of a channel here and there.
private func nonsense(_ mechanism: Mechanism, _ random: inout Xorshift) -> [UInt8] {
  let size = Int(random.next() % (random.next() % 8 == 0 ? 5000 : 24))
  let body = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  let lengths: [UInt64] = [
    0, 1, UInt64(size), UInt64(size) + 1, 9000, 1 << 31, 1 << 32, 1 << 40, 1 << 62, UInt64(Int.max), .max, 0xFFFF_FFFF,
  ]
  let length = lengths[Int(random.next() % UInt64(lengths.count))]
  func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
  }
  switch mechanism {
  case .posixMessageQueue:
    // A piece is as long as the queue's messages can be, and ends with what it is; what is a little shorter is nothing.
    if random.next() % 4 == 0 { return body }
    let kinds: [UInt64] = [0, 1, 2, 2, 3, 3, 4, 5, 256, 0xFFFF_FFFF]
    let counts: [UInt64] = [0, 1, 100, 8175, 8176, 8177, 8192, 0xFFFF_FFFF]
    let tail =
      bigEndian(kinds[Int(random.next() % UInt64(kinds.count))], 4).reversed()
      + bigEndian(counts[Int(random.next() % UInt64(counts.count))], 4).reversed() + bigEndian(length, 8).reversed()
    return [UInt8](repeating: 9, count: 8192 - 16 - (random.next() % 4 == 0 ? Int(random.next() % 16) : 0)) + tail
  case .mappedFile, .posixSharedMemory, .systemVSharedMemory, .anonymousMemory, .ring:
    return ringNonsense(length, body, &random)
  case .systemVMessageQueue: return (random.next() % 2 == 0 ? bigEndian(length, 8).reversed() : []) + body
  default:
    switch random.next() % 6 {
    case 0: return bigEndian(UInt64(size), 4) + body
    case 1: return bigEndian(length, 4) + body
    case 2: return bigEndian(0xFFFF_FFFF, 4) + bigEndian(length, 8) + body
    case 3: return bigEndian(0xFFFF_FFFE, 4) + bigEndian(random.next() % 300, 4) + bigEndian(length, 8) + body
    case 4: return bigEndian(0xFFFF_FFFE, 4) + bigEndian(1, 4) + bigEndian(UInt64(size), 8) + body
    default: return body
    }
  }
}

func limitAddresses(to more: Int) {
  var limit = rlimit()
  let inUse = Footprint().virtualBytes
  getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  limit.rlim_cur = UInt(inUse + more)
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
}

struct Xorshift {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state >> 3
  }
}
