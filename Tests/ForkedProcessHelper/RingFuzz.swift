import Glibc
import Interprocess
import Synchronization

/// A child writes anything anywhere into rings while this process is one side, or both, in every way there is.
///
/// - Parameter rounds: of each way, and more until there were messages and errors.
func ringFuzz(rounds: Int, _ seed: UInt64) throws {
  var random = SeededGenerator(seed: seed)
  for way in RingFuzzWay.allCases {
    var tally = RingFuzzTally()
    let end = ContinuousClock.now + .seconds(10)
    var round = 0
    while round < rounds || (!tally.hasBoth && ContinuousClock.now < end) {
      try fuzz(way, way.rings(round), &random, &tally)
      round += 1
    }
    say("\(way.rawValue): \(tally)")
  }
  // Last: a process that has run a task has threads, and forks no more.
  say("in tasks: \(try fuzzTasks(rounds: rounds, &random))")
}

struct RingFuzzTally: CustomStringConvertible {
  var messages = 0
  var errors = 0

  var hasBoth: Bool { messages > 0 && errors > 0 }
  var description: String { "messages \(messages > 0), errors \(errors > 0)" }

  /// A timeout is no error: who is lied to may wait in vain.
  mutating func note(_ error: any Error) throws {
    guard let error = error as? InterprocessError else { throw error }
    if !error.isTimeout { errors += 1 }
  }
}

/// How rings are used.
private enum RingFuzzWay: String, CaseIterable {
  case copied
  case inPlace = "read in place"
  case reserved = "written in place"
  case mailbox = "by mailbox"

  /// Of each capacity, at the beginning of the memory and at its end. A mailbox begins with the memory; four of these fill it.
  func rings(_ round: Int) throws -> FuzzedRings {
    if self == .mailbox { return try FuzzedRings(capacity: round % 2 == 0 ? 1024 : 1 << 16, count: 4, isAtEnd: false) }
    let capacity = ringCapacities[round % ringCapacities.count]
    return try FuzzedRings(capacity: capacity, count: 1, isAtEnd: round / ringCapacities.count % 2 == 1)
  }

  func use(_ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally) throws {
    switch self {
    case .copied: try exchangeCopies(rings, &random, &tally)
    case .inPlace: try readInPlace(rings, &random, &tally)
    case .reserved: try writeInPlace(rings, &random, &tally)
    case .mailbox: try useMailbox(rings, &random, &tally)
    }
  }
}

private func fuzz(
  _ way: RingFuzzWay, _ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally
) throws {
  let seed = random.next()
  let child = try ForkedProcess { rings.scribble(seed) }
  let end = ContinuousClock.now + .milliseconds(10)
  while ContinuousClock.now < end {
    // Attached anew each time: a side that has seen nonsense does not go on.
    try rings.recreate()
    do { try way.use(rings, &random, &tally) } catch { try tally.note(error) }
  }
  _ = child.id
  try rings.checkSurroundings()
}

private func exchangeCopies(
  _ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally
) throws {
  var producer = try rings.producer()
  var consumer = try rings.consumer()
  for number in 0..<200 {
    let message = RingMessage(number: random.next(), atMost: producer.maximumMessageSize).bytes
    if number % 5 == 4 {
      try producer.send(message, timeout: .microseconds(200))
    } else if try !producer.trySend(message) {
      continue
    }
    let received =
      try number % 11 == 0 ? consumer.receive(timeout: .microseconds(200)) : consumer.tryReceive()
    if received != nil { tally.messages += 1 }
  }
}

private func readInPlace(_ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally) throws {
  var producer = try rings.producer()
  var consumer = try rings.consumer()
  for number in 0..<200 {
    let message = RingMessage(number: random.next(), atMost: producer.maximumMessageSize).bytes
    if try !producer.trySend(message) { continue }
    switch number % 4 {
    case 0:
      let count = try consumer.receiveAllTrustingPeer { try rings.read($0) }
      // Each takes a length at least, and those that come meanwhile are for the next time.
      guard count <= rings.capacity / 8 else { throw RingFailure(description: "\(count) messages in one ring") }
      tally.messages += count
    case 1:
      if let bytes = try consumer.tryPeekTrustingPeer() {
        try rings.read(bytes)
        tally.messages += 1
      }
      consumer.consume()
    case 2:
      // Taken out unread, and once more for nothing.
      if try consumer.waitForMessage(timeout: .microseconds(200)) { consumer.consume() }
      consumer.consume()
    default: break
    }
  }
}

private func writeInPlace(_ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally) throws {
  var producer = try rings.producer()
  var consumer = try rings.consumer()
  for number in 0..<200 {
    let most = number % 8 == 0 ? producer.maximumMessageSize : min(producer.maximumMessageSize, 64)
    let size = Int.random(in: 0...most, using: &random)
    let isReserved = try reserve(size, &producer)
    // What is reserved twice is there once; less than that may be sent of it, and not more.
    if number % 7 == 0 { _ = try producer.tryReserve(producer.maximumMessageSize) }
    switch number % 4 {
    case 0: producer.commit()
    case 1: producer.commit(byteCount: Int.random(in: -9...size + 9, using: &random))
    case 2: producer.stageReservation()
    default:
      try producer.send(upTo: size, timeout: .microseconds(200)) { output in
        for byte in 0..<size { output.append(UInt8(truncatingIfNeeded: byte)) }
      }
    }
    if number % 3 == 0 { producer.publish() }
    if isReserved, try consumer.tryReceive() != nil { tally.messages += 1 }
  }
}

/// Reserves room, and writes all over it.
private func reserve(_ size: Int, _ producer: inout RingProducer) throws -> Bool {
  guard var room = try producer.tryReserve(size) else { return false }
  for offset in 0..<room.byteCount { room.storeBytes(of: 0x5A, toByteOffset: offset, as: UInt8.self) }
  return true
}

private func useMailbox(_ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally) throws {
  var mailbox = try RingMailbox(
    attachingTo: rings.memory.segment.mapping, capacity: rings.capacity, count: rings.count, bell: rings.bell)
  for number in 0..<rings.count {
    do { try rings.sendToMailbox(from: number, &random) } catch { try tally.note(error) }
  }
  if Bool.random(using: &random) { mailbox.interrupter(ofProducer: 1)?.peerDied() }
  for number in 0..<60 where !mailbox.hasEnded {
    // One that has lied is out, and the others go on.
    do {
      let received = try number % 5 == 4 ? mailbox.receive(timeout: .microseconds(200)) : mailbox.tryReceive()
      if received != nil { tally.messages += 1 }
    } catch { try tally.note(error) }
  }
}

/// Consumer, producer and mailbox as tasks have them, over rings that one child writes into all the time.
private func fuzzTasks(rounds: Int, _ random: inout SeededGenerator) throws -> RingFuzzTally {
  let rings = try FuzzedRings(capacity: 1024, count: 4, isAtEnd: false)
  let seed = random.next()
  let child = try ForkedProcess { rings.scribble(seed) }
  var tally = RingFuzzTally()
  let end = ContinuousClock.now + .seconds(10)
  var round = 0
  while round < rounds || (!tally.hasBoth && ContinuousClock.now < end) {
    try fuzzTask(rings, random.next(), &tally)
    round += 1
  }
  _ = child.id
  try rings.checkSurroundings()
  return tally
}

private func fuzzTask(_ rings: FuzzedRings, _ seed: UInt64, _ tally: inout RingFuzzTally) throws {
  let shared = Mutex(tally)
  try task {
    var random = SeededGenerator(seed: seed)
    var tally = shared.withLock { $0 }
    for number in 0..<4 {
      try rings.recreate()
      do {
        if number % 2 == 0 {
          try await exchangeInTask(rings, &random, &tally)
        } else {
          try await useMailboxInTask(rings, &random, &tally)
        }
      } catch { try tally.note(error) }
    }
    shared.withLock { [tally] in $0 = tally }
  }
  tally = shared.withLock { $0 }
}

private func exchangeInTask(
  _ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally
) async throws {
  var producer = try rings.producer(hasBell: true)
  var consumer = try rings.consumer(hasBell: true)
  for _ in 0..<20 {
    let message = RingMessage(number: random.next(), atMost: producer.maximumMessageSize).bytes
    // More than is received: it has to wait for room now and then.
    for _ in 0..<2 {
      do { try await producer.send(message, timeout: .microseconds(200)) } catch { try tally.note(error) }
    }
    do {
      if try await consumer.receive(timeout: .microseconds(200)) != nil { tally.messages += 1 }
    } catch { try tally.note(error) }
  }
}

private func useMailboxInTask(
  _ rings: FuzzedRings, _ random: inout SeededGenerator, _ tally: inout RingFuzzTally
) async throws {
  var mailbox = try RingMailbox(
    attachingTo: rings.memory.segment.mapping, capacity: rings.capacity, count: rings.count, bell: rings.bell)
  for number in 0..<rings.count - 1 {
    do { try rings.sendToMailbox(from: number, &random) } catch { try tally.note(error) }
  }
  // The last producer never comes, so that there is something to wait for.
  for _ in 0..<20 where !mailbox.hasEnded {
    do {
      if try await mailbox.receive(timeout: .microseconds(200)) != nil { tally.messages += 1 }
    } catch { try tally.note(error) }
  }
}
