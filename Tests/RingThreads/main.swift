import Glibc
import Interprocess

// Both sides of a ring as threads over one mapping, for ThreadSanitizer, which sees nothing of what two processes do.
// The argument says how many messages each ring carries.

let messages = CommandLine.arguments.dropFirst().first.flatMap { UInt64($0) } ?? 200_000
let seed = Seed.announced()

// A wake-up that is lost shall be a timeout, and not a late look.
RingNap.firstOnOneProcessor = nil

for capacity in [128, 1024, 1 << 16] {
  for (way, isAsymmetric) in Receiving.allCases.flatMap({ way in [true, false].map { (way, $0) } }) {
    let shared = try Shared(capacity: capacity, seed: seed, isAsymmetric: isAsymmetric)
    let producer = onThread { try produce(shared, messages) }
    let consumer = onThread { try consume(shared, messages, way) }
    pthread_join(producer, nil)
    pthread_join(consumer, nil)
    print("\(messages) messages, \(capacity) bytes, \(way), \(isAsymmetric ? "asymmetric" : "symmetric")")
  }
  try interruptSleeper(capacity)
  try mailbox(capacity, messages / 4)
}
