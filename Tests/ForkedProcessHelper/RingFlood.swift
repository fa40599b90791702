import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// As many short messages as go through, of all sizes from 8 to 128 bytes; every word says which message it belongs to,
/// and where.
struct RingFlood {
  let seed: UInt64

  /// Arguments: how many seconds, of which one half is one long stream and the other a death after the other; `stream` or
  /// `deaths` for all of them the one or the other.
  func run(_ arguments: [String]) throws {
    let time = Duration.seconds(arguments.first.flatMap { Int($0) } ?? 10)
    switch arguments.dropFirst().first {
    case "stream": try stream(for: time)
    case "deaths": try deaths(for: time)
    default:
      try stream(for: time / 2)
      try deaths(for: time / 2)
    }
  }

  /// Nobody interrupts it.
  private func stream(for time: Duration) throws {
    var number: UInt64 = 0
    for isAsymmetric in ringForms { number += try stream(for: time / ringForms.count, isAsymmetric: isAsymmetric) }
    say("\(number) messages")
  }

  private func stream(for time: Duration, isAsymmetric: Bool) throws -> UInt64 {
    let memory = try Ring.create(capacity: 1 << 16, isAsymmetric: isAsymmetric)
    let end = ContinuousClock.now + time
    var child = try ForkedProcess { try send(into: memory, until: end) }
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    while try consumer.waitForMessage(timeout: .seconds(20)) { try receiveAll(&consumer, &number) }
    let ending = try child.wait()
    guard ending.isSuccess else { throw RingFailure(description: "\(ending)") }
    return number
  }

  /// Either side in turn is killed at any moment of its stream, and the next one begins.
  private func deaths(for time: Duration) throws {
    var random = SeededGenerator(seed: seed)
    let end = ContinuousClock.now + time
    var (messages, deaths) = (UInt64(0), 0)
    repeat {
      let memory = try Ring.create(
        capacity: 1 << Int.random(in: 10...16, using: &random), isAsymmetric: ringForms[deaths / 2 % 2])
      let life = Duration.microseconds(Int.random(in: 100...20_000, using: &random))
      messages += try deaths % 2 == 0 ? deathOfProducer(memory, after: life) : deathOfConsumer(memory, after: life)
      deaths += 1
    } while ContinuousClock.now < end || deaths < 4
    say("\(messages) messages, \(deaths) deaths")
  }

  /// - Returns: how many messages came: all that had been published.
  private func deathOfProducer(_ memory: borrowing AnonymousMemory, after life: Duration) throws -> UInt64 {
    let counter = try AnonymousMemory(byteCount: 8)
    var child = try ForkedProcess { try sendForEver(into: memory, counter) }
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    _ = try consumer.waitForMessage(timeout: .seconds(20))
    let end = ContinuousClock.now + life
    while ContinuousClock.now < end, try consumer.waitForMessage(timeout: .seconds(20)) {
      try receiveAll(&consumer, &number)
    }
    try kill(&child)
    consumer.interrupter.peerDied()
    do {
      while try consumer.waitForMessage(timeout: .seconds(20)) { try receiveAll(&consumer, &number) }
      throw RingFailure(description: "a producer that was killed has closed the ring")
    } catch let error as InterprocessError where error.errno == .connectionReset {}
    let published = try count(counter)
    // It may have died before it could say what it had published last.
    guard number >= published, number - published <= Self.mostAtOnce else {
      throw RingFailure(description: "\(number) messages came of \(published) that were sent")
    }
    return number
  }

  /// - Returns: how many messages the consumer had checked.
  private func deathOfConsumer(_ memory: borrowing AnonymousMemory, after life: Duration) throws -> UInt64 {
    let counter = try AnonymousMemory(byteCount: 8)
    var child = try ForkedProcess { try receiveForEver(from: memory, counter) }
    var producer = try RingProducer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    while try count(counter) == 0 { try send(&number, &producer) }
    let end = ContinuousClock.now + life
    while !number.isMultiple(of: 64) || ContinuousClock.now < end { try send(&number, &producer) }
    try kill(&child)
    producer.interrupter.peerDied()
    do {
      try send(&number, &producer)
      throw RingFailure(description: "a message went to a consumer that was killed")
    } catch let error as InterprocessError where error.errno == .connectionReset {}
    let received = try count(counter)
    guard received <= number else { throw RingFailure(description: "\(received) messages came of \(number)") }
    return received
  }

  /// A child that found something wrong has ended already, and says so.
  private func kill(_ child: inout ForkedProcess) throws {
    try child.signal(SIGKILL)
    let ending = try child.wait()
    guard case .signalled(SIGKILL, _) = ending else { throw RingFailure(description: "\(ending)") }
  }

  private func count(_ counter: borrowing AnonymousMemory) throws -> UInt64 {
    try counter.mapping.withAtomic(UInt64.self, at: 0) { $0.load(ordering: .relaxed) }
  }
}

extension RingFlood {
  /// So many messages are published at once, or a few less.
  private static let mostAtOnce: UInt64 = 16

  private func send(into memory: borrowing AnonymousMemory, until end: ContinuousClock.Instant) throws {
    var producer = try RingProducer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    while !number.isMultiple(of: 1 << 16) || ContinuousClock.now < end { try send(&number, &producer) }
    producer.close()
  }

  /// Until it is killed.
  ///
  /// - Parameter counter: where it says how many it has published.
  private func sendForEver(into memory: borrowing AnonymousMemory, _ counter: borrowing AnonymousMemory) throws {
    var producer = try RingProducer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    while true {
      if try send(&number, &producer) { try note(number, in: counter) }
    }
  }

  /// - Returns: whether all that was staged is published.
  @discardableResult
  private func send(_ number: inout UInt64, _ producer: inout RingProducer) throws -> Bool {
    while try !stage(number, &producer) { try producer.waitForRoom(byteCount: 128, timeout: .seconds(20)) }
    number += 1
    // Some by themselves, some many at once.
    guard number % Self.mostAtOnce < 4 else { return false }
    producer.publish()
    return true
  }

  private func stage(_ number: UInt64, _ producer: inout RingProducer) throws -> Bool {
    guard var room = try producer.tryReserve(size(number)) else { return false }
    for offset in stride(from: 0, to: room.byteCount, by: 8) {
      room.storeBytes(of: word(number, offset), toByteOffset: offset, as: UInt64.self)
    }
    producer.stageReservation()
    return true
  }

  /// Until it is killed.
  ///
  /// - Parameter counter: where it says how many it has received.
  private func receiveForEver(from memory: borrowing AnonymousMemory, _ counter: borrowing AnonymousMemory) throws {
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    var number: UInt64 = 0
    while try consumer.waitForMessage(timeout: .seconds(20)) {
      try receiveAll(&consumer, &number)
      try note(number, in: counter)
    }
  }

  private func receiveAll(_ consumer: inout RingConsumer, _ number: inout UInt64) throws {
    try consumer.receiveAllTrustingPeer { message in
      try check(message, number)
      number += 1
    }
  }

  private func note(_ number: UInt64, in counter: borrowing AnonymousMemory) throws {
    try counter.mapping.withAtomic(UInt64.self, at: 0) { $0.store(number, ordering: .relaxed) }
  }

  private func check(_ message: RawSpan, _ number: UInt64) throws {
    guard message.byteCount == size(number) else {
      throw RingFailure(description: "message \(number) has \(message.byteCount) bytes")
    }
    for offset in stride(from: 0, to: message.byteCount, by: 8) {
      guard message.unsafeLoad(fromByteOffset: offset, as: UInt64.self) == word(number, offset) else {
        throw RingFailure(description: "message \(number) is not what was sent at \(offset)")
      }
    }
  }

  private func size(_ number: UInt64) -> Int { 8 + 8 * Int(((number ^ seed) &* 0x9E37_79B9_7F4A_7C15) >> 60) }

  private func word(_ number: UInt64, _ offset: Int) -> UInt64 {
    (number &+ seed) &* 0xBF58_476D_1CE4_E5B9 ^ UInt64(offset)
  }
}
