import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Interprocess

@Suite("A side of a ring that waits", .blocking)
struct RingWaitingTests {
  /// Seconds of processor time that this thread has used.
  private func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private func cost(of wait: () throws(InterprocessError) -> Void) -> Double {
    let start = processorTime()
    #expect(throws: InterprocessError.self) { try wait() }
    return processorTime() - start
  }

  @Test("uses no processor: it spins for a moment and sleeps, for a message and for room")
  func idle() throws {
    let memory = try Ring.create(capacity: 128)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    // A twentieth of the time would be much.
    let forMessage = cost { () throws(InterprocessError) in _ = try consumer.receive(timeout: .milliseconds(400)) }
    #expect(forMessage < 0.02)
    while try producer.trySend([1]) {}
    let forRoom = cost { () throws(InterprocessError) in try producer.send([1], timeout: .milliseconds(400)) }
    #expect(forRoom < 0.02)
  }

  /// The two sides' words, which only the memory of a ring has.
  private func withSides(_ body: (RingSide, RingSide) throws -> Void) throws {
    let memory = try Ring.create(capacity: 128)
    let place = try RingPlace(in: memory.mapping, at: 0)
    try body(place.producer, place.consumer)
  }

  @Test("does not spin while the other side runs on its processor")
  func sameProcessor() throws {
    try withSides { own, peer in
      let spin = RingSpin()
      // Threads of tests may be moved meanwhile: then the look is one at another moment.
      for _ in 0..<1000 {
        let here = own.tellProcessor()
        peer.processor.pointee.store(here, ordering: .relaxed)
        let begins = spin.begins(own: own, peer: peer)
        if own.tellProcessor() == here { return #expect(!begins) }
      }
      Issue.record("this thread is moved all the time")
    }
  }

  @Test("spins less and less where waiting takes long, and again where it would have paid off")
  func adapts() throws {
    try withSides { own, peer in
      var spin = RingSpin()
      // A processor that there is not.
      peer.processor.pointee.store(.max, ordering: .relaxed)
      #expect(spin.begins(own: own, peer: peer))
      // Long ago.
      for _ in 0..<20 { spin.slept(since: MonotonicTime.now - 1_000_000_000) }
      #expect(!spin.begins(own: own, peer: peer))
      // It was woken at once.
      spin.slept(since: MonotonicTime.now)
      #expect(spin.begins(own: own, peer: peer))
      // Never longer than sleeping and waking take.
      #expect(!spin.goesOn(since: MonotonicTime.now - 60_000))
    }
  }
}
