import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("A ring", .blocking)
struct RingTests {
  @Test("carries messages of every size there and gives them in order, whichever way they are sent and received")
  func messages() throws {
    let memory = try Ring.create(capacity: 1024)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    let most = producer.maximumMessageSize
    #expect(most == 504)
    for size in (0...504) {
      let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 + size) }
      if size % 2 == 0 {
        #expect(try producer.trySend(message.span.bytes))
      } else {
        try producer.send(upTo: size) { output in for byte in message { output.append(byte) } }
      }
      let length = try consumer.tryNextByteCount()
      #expect(length == size)
      let received: [UInt8]? =
        size % 3 == 0
        ? try consumer.tryReceive()
        : try withOutputSpan(capacity: size) { output in
          _ = try consumer.receive(into: &output)
          return output.bytes.withUnsafeBytes { Array($0) }
        }
      #expect(received == message)
    }
    let nothing = try consumer.tryReceive()
    let hasEnded = consumer.hasEnded
    #expect(nothing == nil)
    #expect(!hasEnded)
  }

  @Test("refuses what does not fit, and says when it is full")
  func limits() throws {
    let memory = try Ring.create(capacity: 128)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    let long = refusal { () throws(InterprocessError) in try producer.send([UInt8](repeating: 0, count: 57)) }
    #expect(long == .messageTooLong)
    let most = [UInt8](repeating: 1, count: 56)
    let sent = [try producer.trySend(most.span.bytes), try producer.trySend(most.span.bytes)]
    #expect(sent == [true, true])
    #expect(try producer.trySend([]) == false)
    #expect(refusal { () throws(InterprocessError) in try producer.send(most, timeout: .milliseconds(2)) } == .timedOut)
    try withOutputSpan(capacity: 55) { output in
      let small = refusal { () throws(InterprocessError) in _ = try consumer.tryReceive(into: &output) }
      #expect(small == .noBufferSpace)
    }
    // It is still there.
    #expect(try consumer.tryReceive() == most)
    #expect(try producer.trySend([2]))
    #expect(refusal { () throws(InterprocessError) in _ = try Ring.create(capacity: 1000) } == .invalidArgument)
  }

  @Test("shows staged messages when they are published, and gives them in place")
  func batches() throws {
    let memory = try Ring.create(capacity: 1024)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    for number in 0..<10 { #expect(try producer.tryStage([UInt8(number)].span.bytes)) }
    #expect(try consumer.tryNextByteCount() == nil)
    producer.publish()
    var sum = 0
    let count = try consumer.receiveAllTrustingPeer { sum += Int($0.unsafeLoad(as: UInt8.self)) }
    #expect((count, sum) == (10, 45))

    try fill(&producer)
    producer.commit(byteCount: 1)
    #expect(try consumer.tryReceive() == [7])
    // A reservation that is not committed is forgotten.
    let isReserved = try producer.tryReserve(100) != nil
    #expect(isReserved)
    #expect(try producer.trySend([8]))
    producer.commit()
    #expect(try consumer.tryReceive() == [8])
    #expect(try consumer.tryReceive() == nil)
  }

  @Test("gives those in place that were there, and leaves those that come meanwhile for the next time")
  func boundedBatch() throws {
    let memory = try Ring.create(capacity: 1024)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    for number in 0..<3 { #expect(try producer.trySend([UInt8(number)])) }
    var count = 0
    try consumer.receiveAllTrustingPeer { _ in
      count += 1
      if count < 1000 { _ = try producer.trySend([9]) }
    }
    #expect(count == 3)
  }

  private func fill(_ producer: inout RingProducer) throws {
    guard var place = try producer.tryReserve(100) else { return }
    place.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self)
  }

  @Test("ends after the last message when the producer closes or goes, and tells the producer when the consumer does")
  func closing() throws {
    let memory = try Ring.create(capacity: 1024, count: 2)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    _ = try producer.tryStage([UInt8]([1]).span.bytes)
    producer.close()
    #expect(refusal { () throws(InterprocessError) in try producer.send([2]) } == .brokenPipe)
    #expect(try consumer.receive(timeout: generous) == [1])
    #expect(try consumer.receive(timeout: generous) == nil)
    let hasEnded = consumer.hasEnded
    #expect(hasEnded)

    let second = try Ring.byteCount(capacity: 1024)
    var other = try RingProducer(attachingTo: memory.mapping, at: second)
    try receiveNothing(memory.mapping, second)
    #expect(refusal { () throws(InterprocessError) in try other.send([3]) } == .brokenPipe)
    #expect(refusal { () throws(InterprocessError) in try attachConsumer(memory.mapping, second) } == .resourceBusy)
    #expect(refusal { () throws(InterprocessError) in try attachConsumer(memory.mapping, 0) } == .resourceBusy)
  }

  private func receiveNothing(_ mapping: borrowing Mapping, _ offset: Int) throws {
    let consumer = try RingConsumer(attachingTo: mapping, at: offset)
    let hasEnded = consumer.hasEnded
    #expect(!hasEnded)
  }

  private func attachConsumer(_ mapping: borrowing Mapping, _ offset: Int) throws(InterprocessError) {
    _ = try RingConsumer(attachingTo: mapping, at: offset)
  }

  @Test(
    "believes nothing that its header says", arguments: [(0, UInt64(1)), (8, 7), (16, 100), (16, 1 << 40), (128, 4)])
  func headers(offset: Int, value: UInt64) throws {
    var memory = try Ring.create(capacity: 1024)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    func attach() throws(InterprocessError) { _ = try RingProducer(attachingTo: memory.mapping) }
    let reason = refusal(attach)
    #expect(reason == (offset == 128 ? .badMessage : .invalidArgument))
  }

  @Test("refuses lengths and indices that make no sense, and stays refused")
  func nonsense() throws {
    for (offset, value) in [(128, UInt64(4)), (128, 1 << 20), (1024, 2000), (1024, .max), (1024, .max - 3)] {
      var memory = try Ring.create(capacity: 1024)
      var producer = try RingProducer(attachingTo: memory.mapping)
      var consumer = try RingConsumer(attachingTo: memory.mapping)
      try producer.send([1])
      var bytes = memory.mapping.mutableBytes
      bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
      for _ in 0..<2 {
        #expect(refusal { () throws(InterprocessError) in _ = try consumer.tryReceive() } == .badMessage)
      }
      bytes = memory.mapping.mutableBytes
      bytes.storeBytes(of: 1 << 30, toByteOffset: 256, as: UInt64.self)
      let refused = refusal { () throws(InterprocessError) in
        for _ in 0..<4 { _ = try producer.trySend([UInt8](repeating: 0, count: 500).span.bytes) }
      }
      #expect(refused == .badMessage)
    }
  }

  @Test("wakes a side that sleeps: for a message, for room, for the end, a death and a cancellation")
  func waking() throws {
    let memory = try Ring.create(capacity: 128, count: 3)
    let size = try Ring.byteCount(capacity: 128)
    let copies = try (0..<3).map { _ in try Copy(of: memory) }
    let receiving = Background {
      var consumer = try RingConsumer(attachingTo: copies[0].memory.mapping)
      var sum = 0
      while let message = try consumer.receive(timeout: generous) {
        sum += message.count
        usleep(3000)
      }
      return sum
    }
    var producer = try RingProducer(attachingTo: memory.mapping)
    for size in [10, 50, 50, 50, 20] {
      usleep(2000)
      try producer.send([UInt8](repeating: 0, count: size), timeout: generous)
    }
    usleep(2000)
    producer.close()
    #expect(try receiving.value() == 180)

    for (ring, reason) in [(1, Errno.connectionReset), (2, .canceled)] {
      var consumer = try RingConsumer(attachingTo: memory.mapping, at: ring * size)
      let interrupter = consumer.interrupter
      let interrupting = Background {
        usleep(5000)
        if reason == .canceled { interrupter.cancel() } else { interrupter.peerDied() }
      }
      #expect(refusal { () throws(InterprocessError) in _ = try consumer.receive(timeout: generous) } == reason)
      try interrupting.value()
    }
  }

  @Test("is watched: a process that ends without closing wakes the other side")
  func watching() async throws {
    let memory = try Ring.create(capacity: 128)
    var consumer = try RingConsumer(attachingTo: memory.mapping, bell: EventCounter())
    // A process that has nothing to do with it, and ends.
    let sleeper = try ProcessHandle(of: spawnBriefly())
    try consumer.interrupter.watch(sleeper)
    do {
      _ = try await consumer.receive(timeout: generous)
      Issue.record("nothing was thrown")
    } catch let error as InterprocessError {
      #expect(error.errno == .connectionReset)
    }
    _ = try await sleeper.reap(timeout: generous)
  }

  private func spawnBriefly() throws -> pid_t {
    var id: pid_t = 0
    var arguments = [strdup("sleep"), strdup("0.05"), nil]
    defer { for argument in arguments { free(argument) } }
    try #require(posix_spawn(&id, "/bin/sleep", nil, nil, &arguments, environ) == 0)
    return id
  }

  @Test("suspends tasks until its bell rings, and rings only when it has been armed")
  func tasks() async throws {
    let memory = try Ring.create(capacity: 128)
    let bell = try EventCounter()
    let room = try EventCounter()
    let (copy, bells) = (try Copy(of: memory), (dup(bell.descriptor.rawValue), dup(room.descriptor.rawValue)))
    let receiving = Task {
      var consumer = try RingConsumer(
        attachingTo: copy.memory.mapping, bell: counter(bells.0), producerBell: counter(bells.1))
      var sum = 0
      while let message = try await consumer.receive(timeout: .seconds(120)) {
        sum += message.count
        if sum % 7 == 0 { try await Task.sleep(for: .milliseconds(1)) }
      }
      return sum
    }
    var producer = try RingProducer(
      attachingTo: memory.mapping, bell: counter(dup(room.descriptor.rawValue)),
      consumerBell: counter(dup(bell.descriptor.rawValue)))
    var sum = 0
    for number in 0..<300 {
      let message = [UInt8](repeating: 0, count: number % 57)
      try await producer.send(message, timeout: generous)
      sum += message.count
      if number % 50 == 0 { try await Task.sleep(for: .milliseconds(2)) }
    }
    producer.close()
    #expect(try await receiving.value == sum)

    let quiet = try Ring.create(capacity: 128)
    var consumer = try RingConsumer(attachingTo: quiet.mapping, bell: counter(dup(bell.descriptor.rawValue)))
    var other = try RingProducer(attachingTo: quiet.mapping, consumerBell: counter(dup(bell.descriptor.rawValue)))
    consumer.silenceBell()
    #expect(try other.trySend([1]))
    #expect(try bell.tryTake() == nil)
    // Something has come already: no reason to wait.
    #expect(try consumer.armBell() == false)
    #expect(try consumer.tryReceive() == [1])
    #expect(try consumer.armBell())
    #expect(try other.trySend([2]))
    #expect(try other.trySend([3]))
    #expect(try bell.tryTake() == 1)
  }

  @Test("lets a suspended task be cancelled")
  func cancelling() async throws {
    let copy = try Copy(of: Ring.create(capacity: 128))
    let waiting = Task {
      var consumer = try RingConsumer(attachingTo: copy.memory.mapping, bell: EventCounter())
      return try await consumer.receive()
    }
    try await Task.sleep(for: .milliseconds(5))
    waiting.cancel()
    await #expect(throws: CancellationError.self) { _ = try await waiting.value }
  }

  @Test("lies in any memory that is mapped, and in a descriptor that was passed")
  func mappings() throws {
    let name = Unique.name()
    let posix = try POSIXSharedMemory(creating: name, byteCount: 4096)
    defer { try? POSIXSharedMemory.unlink(name) }
    let other = try POSIXSharedMemory(opening: name)
    try carry(posix.mapping, other.mapping)

    let directory = try TemporaryDirectory()
    let file = try MappedFile(creating: directory.path.appending("ring"), byteCount: 4096)
    let sameFile = try MappedFile(opening: directory.path.appending("ring"))
    try carry(file.mapping, sameFile.mapping)

    let segment = try SystemVSharedMemory(byteCount: 4096)
    defer { try? segment.remove() }
    try carry(segment.mapping, segment.mapping)
  }

  private func carry(_ one: borrowing Mapping, _ other: borrowing Mapping) throws {
    try Ring.create(in: one, at: 1024, capacity: 1024)
    var producer = try RingProducer(attachingTo: one, at: 1024)
    var consumer = try RingConsumer(attachingTo: other, at: 1024)
    try producer.send([1, 2, 3])
    #expect(try consumer.receive(timeout: generous) == [1, 2, 3])
  }

  @Test("is a mailbox when there are many: all are heard, and the end comes after the last")
  func mailbox() throws {
    let memory = try Ring.create(capacity: 128, count: 4)
    let bell = try EventCounter()
    var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 128, count: 4, bell: bell)
    let copies = try (0..<3).map { _ in try Copy(of: memory) }
    let bells = (0..<3).map { _ in dup(bell.descriptor.rawValue) }
    let sending = (0..<3).map { number in
      Background {
        var producer = try RingMailbox.producer(
          number, of: copies[number].memory.mapping, capacity: 128, ringing: counter(bells[number]))
        for value in 0..<UInt8(200) {
          try producer.send([value], timeout: generous)
          if value % 40 == 0 { usleep(1000) }
        }
      }
    }
    var next: [UInt8] = [0, 0, 0, 0]
    mailbox.interrupter(ofProducer: 3)?.peerDied()
    var deaths = 0
    while !mailbox.hasEnded {
      do {
        guard let (number, message) = try mailbox.receive(timeout: generous) else { break }
        #expect(message == [next[number]])
        next[number] += 1
      } catch {
        #expect(error.errno == .connectionReset)
        deaths += 1
      }
    }
    for thread in sending { try thread.value() }
    #expect(next == [200, 200, 200, 0])
    #expect(deaths == 1)
  }

  @Test("is a mailbox that closes the ring of a producer that has died, or was taken for dead")
  func mailboxClosesBroken() throws {
    let memory = try Ring.create(capacity: 128, count: 1)
    let bell = try EventCounter()
    var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 128, count: 1, bell: bell)
    let copy = try Copy(of: memory)
    var producer = try RingMailbox.producer(0, of: copy.memory.mapping, capacity: 128, ringing: bell)
    mailbox.interrupter(ofProducer: 0)?.peerDied()
    #expect(throws: InterprocessError.self) { _ = try mailbox.receive(timeout: generous) }
    let error = #expect(throws: InterprocessError.self) { try producer.send([1], timeout: generous) }
    #expect(error?.errno == .brokenPipe)
  }

  @Test("is a mailbox that tasks wait for")
  func mailboxOfTasks() async throws {
    let memory = try Ring.create(capacity: 128, count: 2)
    let bell = try EventCounter()
    var mailbox = try RingMailbox(attachingTo: memory.mapping, capacity: 128, count: 2, bell: bell)
    let copy = try Copy(of: memory)
    let number = dup(bell.descriptor.rawValue)
    let sending = Background {
      for ring in 0..<2 {
        var producer = try RingMailbox.producer(
          ring, of: copy.memory.mapping, capacity: 128, ringing: counter(dup(number)))
        usleep(2000)
        try producer.send([UInt8(ring)])
      }
      close(number)
    }
    var received: [UInt8] = []
    while let (_, message) = try await mailbox.receive(timeout: generous) { received += message }
    #expect(received == [0, 1])
    try sending.value()
  }
}

/// The same memory, mapped once more: what another thread owns.
private final class Copy: Sendable {
  let memory: AnonymousMemory
  init(of memory: borrowing AnonymousMemory) throws {
    self.memory = try AnonymousMemory(adopting: OwnedDescriptor(adopting: dup(memory.descriptor.rawValue)))
  }
}

private func counter(_ descriptor: CInt) -> EventCounter {
  EventCounter(adopting: OwnedDescriptor(adopting: descriptor))
}

private func refusal(_ body: () throws(InterprocessError) -> Void) -> Errno? {
  do { try body() } catch { return error.errno }
  return nil
}
