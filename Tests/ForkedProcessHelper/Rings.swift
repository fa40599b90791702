import Glibc
import Interprocess
import Synchronization
import SystemPackage

struct RingFailure: Error, CustomStringConvertible {
  let description: String
}

/// - Returns: whether there is a scenario of this name.
func ringScenario(_ name: String, _ argument: Int) throws -> Bool {
  guard name.hasPrefix("ring-") else { return false }
  let seed = Seed.announced()
  RingMessage.seed = seed
  // A wake-up that is lost shall be a timeout, and not a late look.
  if name != "ring-fuzz" { RingNap.firstOnOneProcessor = nil }
  switch name {
  case "ring-stress": _ = try ringStress(messages: UInt64(argument)) { say($0) }
  case "ring-flood": try RingFlood(seed: seed).run(Array(CommandLine.arguments.dropFirst(2)))
  case "ring-kills": try ringKills(rounds: argument, seed)
  case "ring-fuzz": try ringFuzz(rounds: argument, seed)
  case "ring-deaths": try ringDeaths()
  case "ring-close-then-death": try ringCloseThenDeath()
  case "ring-restored-word": try ringRestoredWord()
  default: return false
  }
  return true
}

let ringCapacities = [128, 1024, 1 << 16]

/// Both forms of a ring, as ``RingBarrier`` has them.
let ringForms = [true, false]

/// Two processes, sizes at random, now and then a nap on either side.
///
/// - Parameter report: gets what became of each child.
/// - Returns: how many messages came.
func ringStress(messages: UInt64, _ report: (String) -> Void = { _ in }) throws -> UInt64 {
  // Waits are many where there is little room, and there is where the forms differ.
  let rings = ringCapacities.map { ($0, true) } + ringCapacities.dropLast().map { ($0, false) }
  for (capacity, isAsymmetric) in rings {
    let memory = try Ring.create(capacity: capacity, isAsymmetric: isAsymmetric)
    let most = Ring.maximumMessageSize(capacity: capacity)
    var child = try ForkedProcess {
      var producer = try RingProducer(attachingTo: memory.mapping)
      for number in 0..<messages {
        let message = RingMessage(number: number, atMost: most)
        // Every way to send takes its turn.
        switch number % 3 {
        case 0: try producer.send(message.bytes, timeout: .seconds(10))
        case 1:
          try producer.send(upTo: most, timeout: .seconds(10)) { output in
            for byte in message.bytes { output.append(byte) }
          }
        default:
          while try !producer.tryStage(message.bytes.span.bytes) {
            try producer.waitForRoom(byteCount: message.bytes.count, timeout: .seconds(10))
          }
        }
        if number % 9973 == 0 { usleep(300) }
      }
    }
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    let received = try receiveAll(&consumer, most)
    guard received == messages else { throw RingFailure(description: "\(received) of \(messages) messages came") }
    report("\(try child.wait())")
  }
  return messages * UInt64(rings.count)
}

/// Receives until the end, checking each message.
private func receiveAll(_ consumer: inout RingConsumer, _ most: Int) throws -> UInt64 {
  var number: UInt64 = 0
  while let message = try consumer.receive(timeout: .seconds(10)) {
    try check(message, number, most)
    number += 1
    if number % 7919 == 0 { usleep(300) }
  }
  return number
}

private func check(_ message: [UInt8], _ number: UInt64, _ most: Int) throws {
  if message != RingMessage(number: number, atMost: most).bytes {
    throw RingFailure(description: "message \(number) is not what was sent, but \(message.count) bytes")
  }
}

/// A child is killed at any moment while it sends, or receives.
private func ringKills(rounds: Int, _ seed: UInt64) throws {
  var random = SeededGenerator(seed: seed)
  for round in 0..<rounds {
    let memory = try Ring.create(
      capacity: ringCapacities[round % ringCapacities.count], isAsymmetric: ringForms[round / 2 % 2])
    try deathOf(round % 2 == 0 ? .producer : .consumer, memory.mapping) { id in
      let pause = useconds_t.random(in: 0...3000, using: &random)
      return {
        usleep(pause)
        kill(id, SIGKILL)
      }
    }
  }
  say("\(rounds) killed")
}

enum RingRole { case producer, consumer }

/// Forks a child that is one side until it dies, and is the other side until it notices.
///
/// - Parameter killer: gives what to do on a thread while the child runs.
/// - Parameter prepare: runs in the child first.
func deathOf(
  _ role: RingRole, _ mapping: borrowing Mapping, prepare: () -> Void = {}, killer: (CInt) -> @Sendable () -> Void
) throws {
  let most = Ring.maximumMessageSize(capacity: mapping.byteCount - 1024)
  // How many messages the child's sends have returned from.
  let counter = try AnonymousMemory(byteCount: 8)
  var child = try forked {
    prepare()
    if role == .producer {
      try sendForEver(mapping, counter.mapping, most)
    } else {
      var consumer = try RingConsumer(attachingTo: mapping)
      _ = try receiveAll(&consumer, most)
    }
  }
  let id = child.id
  let handle = try ProcessHandle(of: id)
  if role == .producer {
    var consumer = try RingConsumer(attachingTo: mapping)
    let watcher = watch(handle, consumer.interrupter, killer(id))
    let received = try receiveUntilDeath(&consumer, most)
    pthread_join(watcher, nil)
    let sent = try counter.mapping.withAtomic(UInt64.self, at: 0) { $0.load(ordering: .relaxed) }
    guard received == sent || received == sent + 1 else {
      throw RingFailure(description: "\(received) messages came of \(sent) that were sent")
    }
  } else {
    var producer = try RingProducer(attachingTo: mapping)
    let watcher = watch(handle, producer.interrupter, killer(id))
    try sendUntilDeath(&producer, most)
    pthread_join(watcher, nil)
  }
  // What a child finds wrong ends it otherwise.
  let ending = try child.wait()
  guard case .signalled(SIGKILL, _) = ending else { throw RingFailure(description: "\(role): \(ending)") }
}

private func sendForEver(_ mapping: borrowing Mapping, _ counter: borrowing Mapping, _ most: Int) throws {
  var producer = try RingProducer(attachingTo: mapping)
  for number in 0..<UInt64.max {
    try producer.send(RingMessage(number: number, atMost: most).bytes)
    try counter.withAtomic(UInt64.self, at: 0) { $0.store(number + 1, ordering: .relaxed) }
    // The other side sleeps now and then, and so does this one.
    if number % 50 == 49 { usleep(200) }
    if number == 2000 { producer.close() }
    if number == 2000 { while true { sleep(60) } }
  }
}

private func receiveUntilDeath(_ consumer: inout RingConsumer, _ most: Int) throws -> UInt64 {
  var number: UInt64 = 0
  do {
    while let message = try consumer.receive(timeout: .seconds(10)) {
      try check(message, number, most)
      number += 1
      if number % 30 == 29 { usleep(200) }
    }
  } catch let error as InterprocessError where error.errno == .connectionReset {}
  return number
}

private func sendUntilDeath(_ producer: inout RingProducer, _ most: Int) throws {
  do {
    for number in 0..<UInt64.max {
      try producer.send(RingMessage(number: number, atMost: most).bytes, timeout: .seconds(10))
      if number % 50 == 49 { usleep(200) }
    }
  } catch {
    if ![.connectionReset, .brokenPipe].contains(error.errno) { throw error }
  }
}

/// The thread that watched the last child may still be ending.
private func forked(_ body: () throws -> Void) throws -> ForkedProcess {
  for _ in 0..<1000 {
    do { return try ForkedProcess(body) } catch { if error.errno != .notPermitted { throw error } }
    usleep(1000)
  }
  return try ForkedProcess(body)
}

/// A thread that sees a process end, and tells a ring.
private func watch(
  _ handle: borrowing ProcessHandle, _ interrupter: RingInterrupter, _ killer: @escaping @Sendable () -> Void
) -> pthread_t {
  let copy = fcntl(handle.descriptor.rawValue, F_DUPFD_CLOEXEC, 0)
  return onThread {
    killer()
    let handle = ProcessHandle(adopting: OwnedDescriptor(adopting: copy))
    try handle.wait()
    interrupter.peerDied()
  }
}

/// The child kills itself at each step, the first time it gets there and some later times. Each line says for how many
/// steps that happened: a side does not reach all of them.
private func ringDeaths() throws {
  #if DEBUG
    for isAsymmetric in ringForms { try ringDeaths(isAsymmetric: isAsymmetric) }
  #else
    say("release builds have no steps")
  #endif
}

#if DEBUG
  private func ringDeaths(isAsymmetric: Bool) throws {
    for (name, role) in [("producer", RingRole.producer), ("consumer", .consumer)] {
      var reached = 0
      for step in RingStep.allCases {
        var hasDied = false
        for time in isAsymmetric ? [1, 2, 7, 40] : [1, 2] {
          let memory = try Ring.create(capacity: time == 2 ? 128 : 1024, isAsymmetric: isAsymmetric)
          let marks = try AnonymousMemory(byteCount: 8)
          let mark = Mark(marks.mapping)
          func prepare() { dieAt(step, time, mark) }
          // It closes at the very end, and once.
          let patience = role == .producer && [.beforeClosing, .closed].contains(step) && time == 1 ? 5000 : 150
          try deathOf(role, memory.mapping, prepare: prepare) { id in
            {
              // A step that is never reached: the child goes on, and is ended.
              for _ in 0..<patience where kill(id, 0) == 0 && !mark.isSet { usleep(1000) }
              kill(id, SIGKILL)
            }
          }
          hasDied = hasDied || mark.isSet
        }
        if hasDied { reached += 1 } else { say("\(name) does not reach \(step)") }
      }
      say("\(name) died at \(reached) steps")
    }
  }
#endif

/// A word in memory that the child shares.
private struct Mark: @unchecked Sendable {
  // Sendable: the memory outlives the threads that use it, and the word is atomic.
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  init(_ mapping: borrowing Mapping) {
    word = mapping.withUnsafeBytes { bytes in
      // Mapped memory has an address.
      bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Atomic<UInt32>.self)
    }
  }

  var isSet: Bool { word.pointee.load(ordering: .acquiring) != 0 }
  func set() { word.pointee.store(1, ordering: .releasing) }
}

#if DEBUG
  private func dieAt(_ step: RingStep, _ time: Int, _ mark: Mark) {
    let count = Count()
    RingStep.hook = { reached in
      guard reached == step, count.increment() == time else { return }
      mark.set()
      kill(getpid(), SIGKILL)
    }
  }
#endif

private final class Count: Sendable {
  private let value = Atomic<Int>(0)
  func increment() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
}
