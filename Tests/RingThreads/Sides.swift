import Glibc
import Interprocess
import SystemPackage

/// How a consumer gets its messages.
enum Receiving: CaseIterable {
  case copied
  /// Read where they lie.
  case inPlace
  /// Waiting for the bell, as an event loop does.
  case byBell
}

/// What both threads have: the memory, and a bell for the consumer.
final class Shared: Sendable {
  let memory: AnonymousMemory
  /// Other seeds have messages of other lengths.
  let seed: UInt64
  private let bell: EventCounter

  init(capacity: Int, count: Int = 1, seed: UInt64 = 0, isAsymmetric: Bool = true) throws {
    self.seed = seed
    memory = try Ring.create(capacity: capacity, count: count, isAsymmetric: isAsymmetric)
    bell = try EventCounter()
  }

  func bellCopy() -> EventCounter {
    EventCounter(adopting: OwnedDescriptor(adopting: fcntl(bell.descriptor.rawValue, F_DUPFD_CLOEXEC, 0)))
  }

  /// Message `number` is that byte so many times.
  func length(_ number: UInt64, _ most: Int) -> Int {
    Int(((number ^ seed) &* 0x9E37_79B9_7F4A_7C15) >> 33) % (number % 5 == 0 ? most + 1 : min(most, 80) + 1)
  }
}

private func fail(_ number: UInt64) -> InterprocessError {
  InterprocessError(call: "message \(number)", errno: .badMessage)
}

func produce(_ shared: Shared, _ messages: UInt64) throws {
  var producer = try RingProducer(attachingTo: shared.memory.mapping, consumerBell: shared.bellCopy())
  let most = producer.maximumMessageSize
  for number in 0..<messages {
    let (byte, count) = (UInt8(truncatingIfNeeded: number), shared.length(number, most))
    switch number % 3 {
    case 0: try producer.send([UInt8](repeating: byte, count: count), timeout: .seconds(60))
    case 1:
      try producer.send(upTo: count, timeout: .seconds(60)) { output in
        for _ in 0..<count { output.append(byte) }
      }
    default:
      let message = [UInt8](repeating: byte, count: count)
      while try !producer.tryStage(message.span.bytes) {
        try producer.waitForRoom(byteCount: count, timeout: .seconds(60))
      }
    }
    if number % 5003 == 0 { usleep(200) }
  }
}

func consume(_ shared: Shared, _ messages: UInt64, _ way: Receiving) throws {
  var consumer = try RingConsumer(attachingTo: shared.memory.mapping, bell: shared.bellCopy())
  let most = consumer.maximumMessageSize
  var number: UInt64 = 0
  while try way == .byBell ? waitForBell(&consumer) : consumer.waitForMessage(timeout: .seconds(60)) {
    if way == .inPlace {
      try consumer.receiveAllTrustingPeer { bytes in
        guard bytes.byteCount == shared.length(number, most), bytes.isAll(number) else { throw fail(number) }
        number += 1
      }
    } else {
      guard let message = try consumer.tryReceive(), message.count == shared.length(number, most),
        message.span.bytes.isAll(number)
      else { throw fail(number) }
      number += 1
    }
    if number % 4001 == 0 { usleep(200) }
  }
  guard number == messages else { throw fail(number) }
}

/// - Returns: `false` when nothing more comes.
private func waitForBell(_ consumer: inout RingConsumer) throws -> Bool {
  while try consumer.tryNextByteCount() == nil {
    if consumer.hasEnded { return false }
    guard try consumer.armBell() else { continue }
    var ready = pollfd(fd: consumer.bell.rawValue, events: Int16(POLLIN), revents: 0)
    guard poll(&ready, 1, 60_000) == 1 else { throw InterprocessError(call: "poll", errno: .timedOut) }
    consumer.silenceBell()
  }
  return true
}

/// A side that sleeps is interrupted from another thread.
func interruptSleeper(_ capacity: Int) throws {
  let alone = try Shared(capacity: capacity)
  var waiting = try RingConsumer(attachingTo: alone.memory.mapping)
  let interrupter = waiting.interrupter
  let thread = onThread {
    usleep(1000)
    interrupter.peerDied()
  }
  do {
    _ = try waiting.receive(timeout: .seconds(60))
    throw fail(0)
  } catch let error as InterprocessError where error.errno == .connectionReset {}
  pthread_join(thread, nil)
}

/// Three producers, each with a ring of its own, and one that receives from all.
func mailbox(_ capacity: Int, _ messages: UInt64) throws {
  let shared = try Shared(capacity: capacity, count: 3)
  let threads = (0..<3).map { number in
    onThread {
      var producer = try RingMailbox.producer(
        number, of: shared.memory.mapping, capacity: capacity, ringing: shared.bellCopy())
      for message in 0..<messages {
        try producer.send(
          [UInt8](repeating: UInt8(truncatingIfNeeded: message), count: 1 + Int(message % 40)), timeout: .seconds(60))
      }
    }
  }
  var mailbox = try RingMailbox(
    attachingTo: shared.memory.mapping, capacity: capacity, count: 3, bell: shared.bellCopy())
  var numbers: [UInt64] = [0, 0, 0]
  while let (producer, message) = try mailbox.receive(timeout: .seconds(60)) {
    let number = numbers[producer]
    guard message.count == 1 + Int(number % 40), message.span.bytes.isAll(number) else { throw fail(number) }
    numbers[producer] += 1
  }
  for thread in threads { pthread_join(thread, nil) }
  guard numbers == [messages, messages, messages] else { throw fail(numbers[0]) }
  print("\(3 * messages) messages to a mailbox, \(capacity) bytes")
}

extension RawSpan {
  /// Whether every byte is the last of `number`.
  fileprivate func isAll(_ number: UInt64) -> Bool {
    for index in 0..<byteCount
    where unsafeLoad(fromByteOffset: index, as: UInt8.self) != UInt8(truncatingIfNeeded: number) { return false }
    return true
  }
}
