import Interprocess

/// As many short messages as go through in some seconds, of all sizes from 8 to 128 bytes; every word says which message
/// it belongs to, and where. Argument: the seconds.
func ringFlood(_ arguments: [String]) throws {
  let seconds = arguments.first.flatMap { Int($0) } ?? 10
  let memory = try Ring.create(capacity: 1 << 16)
  var child = try ForkedProcess { try flood(memory, until: .now + .seconds(seconds)) }
  var consumer = try RingConsumer(attachingTo: memory.mapping)
  var number: UInt64 = 0
  while try consumer.waitForMessage(timeout: .seconds(20)) {
    try consumer.receiveAllTrustingPeer { message in
      try check(message, number)
      number += 1
    }
  }
  let ending = try child.wait()
  guard ending.isSuccess else { throw RingFailure(description: "\(ending)") }
  say("\(number) messages")
}

private func flood(_ memory: borrowing AnonymousMemory, until end: ContinuousClock.Instant) throws {
  var producer = try RingProducer(attachingTo: memory.mapping)
  var number: UInt64 = 0
  while !number.isMultiple(of: 1 << 16) || ContinuousClock.now < end {
    while try !stage(number, &producer) { try producer.waitForRoom(byteCount: 128, timeout: .seconds(20)) }
    number += 1
    // Some by themselves, some many at once.
    if number & 15 < 4 { producer.publish() }
  }
  producer.close()
}

private func stage(_ number: UInt64, _ producer: inout RingProducer) throws -> Bool {
  guard var room = try producer.tryReserve(size(number)) else { return false }
  for offset in stride(from: 0, to: room.byteCount, by: 8) {
    room.storeBytes(of: word(number, offset), toByteOffset: offset, as: UInt64.self)
  }
  producer.stageReservation()
  return true
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

private func size(_ number: UInt64) -> Int { 8 + 8 * Int((number &* 0x9E37_79B9_7F4A_7C15) >> 60) }

private func word(_ number: UInt64, _ offset: Int) -> UInt64 { (number &+ 1) &* 0xBF58_476D_1CE4_E5B9 ^ UInt64(offset) }
