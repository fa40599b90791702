import Glibc
import Interprocess
import Synchronization

/// The producer closes and dies just when the consumer has looked at one of the two.
func ringCloseThenDeath() throws {
  #if DEBUG
    let memory = try Ring.create(capacity: 1024)
    let producer = Producer(try RingProducer(attachingTo: memory.mapping))
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    let interrupter = consumer.interrupter
    RingStep.hook = { step in
      guard step == .betweenLooks, producer.close() else { return }
      interrupter.peerDied()
    }
    let message = try consumer.receive(timeout: .seconds(10))
    RingStep.hook = nil
    say(message == nil ? "the end" : "a message")
  #else
    say("release builds have no steps")
  #endif
}

private final class Producer: Sendable {
  private let producer: Mutex<RingProducer?>

  init(_ producer: consuming RingProducer) { self.producer = Mutex(producer) }

  /// - Returns: whether it was open.
  func close() -> Bool {
    producer.withLock { producer in
      guard var open = producer.take() else { return false }
      open.close()
      return true
    }
  }
}
