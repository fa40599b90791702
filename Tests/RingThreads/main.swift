import Glibc
import Interprocess
import SystemPackage

// Both sides of a ring as threads over one mapping, for ThreadSanitizer, which sees nothing of what two processes do.
// The argument says how many messages each ring carries.

let messages = CommandLine.arguments.dropFirst().first.flatMap { UInt64($0) } ?? 200_000

final class Job: Sendable {
  let run: @Sendable () throws -> Void
  init(_ run: @escaping @Sendable () throws -> Void) { self.run = run }
}

func onThread(_ body: @escaping @Sendable () throws -> Void) -> pthread_t {
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { argument in
      do {
        try argument.map { try Unmanaged<Job>.fromOpaque($0).takeRetainedValue().run() }
      } catch {
        print("error: \(error)")
        exit(1)
      }
      return nil
    }, Unmanaged.passRetained(Job(body)).toOpaque())
  return thread
}

/// Message `number` is that byte so many times.
func length(_ number: UInt64, _ most: Int) -> Int {
  Int(number &* 0x9E37_79B9_7F4A_7C15 >> 33) % (number % 5 == 0 ? most + 1 : min(most, 80) + 1)
}

func produce(_ memory: borrowing AnonymousMemory) throws {
  var producer = try RingProducer(attachingTo: memory.mapping)
  let most = producer.maximumMessageSize
  for number in 0..<messages {
    let message = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: length(number, most))
    try producer.send(message, timeout: .seconds(60))
    if number % 5003 == 0 { usleep(200) }
  }
}

func consume(_ memory: borrowing AnonymousMemory) throws {
  var consumer = try RingConsumer(attachingTo: memory.mapping)
  let most = consumer.maximumMessageSize
  var number: UInt64 = 0
  while let message = try consumer.receive(timeout: .seconds(60)) {
    let isRight = message.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) }
    guard isRight, message.count == length(number, most) else {
      throw InterprocessError(call: "message \(number)", errno: .badMessage)
    }
    number += 1
    if number % 4001 == 0 { usleep(200) }
  }
  print("\(number) messages")
}

final class Shared: Sendable {
  let memory: AnonymousMemory
  init(capacity: Int) throws { memory = try Ring.create(capacity: capacity) }
}

for capacity in [128, 1024, 1 << 16] {
  let shared = try Shared(capacity: capacity)
  let producer = onThread { try produce(shared.memory) }
  let consumer = onThread { try consume(shared.memory) }
  pthread_join(producer, nil)
  pthread_join(consumer, nil)

  // A side that sleeps is interrupted from another thread.
  let alone = try Shared(capacity: capacity)
  var waiting = try RingConsumer(attachingTo: alone.memory.mapping)
  let interrupter = waiting.interrupter
  let thread = onThread {
    usleep(1000)
    interrupter.peerDied()
  }
  do {
    _ = try waiting.receive(timeout: .seconds(60))
    print("no error")
    exit(1)
  } catch {
    guard error.errno == .connectionReset else { throw error }
  }
  pthread_join(thread, nil)
}
