import Glibc
import Interprocess
import Synchronization
import SystemPackage

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

/// A hostile producer restores the consumer's futex word, which its death has cleared, just before the consumer sleeps by
/// it.
func ringRestoredWord() throws {
  #if DEBUG
    let memory = try Ring.create(capacity: 1024)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    let interrupter = consumer.interrupter
    let word = try ConsumerWord(memory)
    RingStep.hook = { step in
      guard step == .beforeSleep, !word.wasRestored else { return }
      pthread_detach(onThread { interrupter.peerDied() })
      word.restoreOnceCleared()
    }
    _ = try? consumer.receive()
    RingStep.hook = nil
    say("awake")
  #else
    say("release builds have no steps")
  #endif
}

/// The futex word by which a ring's consumer sleeps, in the hands of somebody hostile.
private final class ConsumerWord: @unchecked Sendable {
  // Sendable: the word is atomic, and one thread restores it.

  private let memory: Mapping
  private(set) var wasRestored = false

  init(_ memory: borrowing AnonymousMemory) throws {
    self.memory = try MappedFile(opening: FilePath("/proc/self/fd/\(memory.descriptor.rawValue)")).takeMapping()
  }

  func restoreOnceCleared() {
    wasRestored = true
    memory.withUnsafeBytes { bytes in
      guard let word = bytes.baseAddress.map({ ($0 + 512).assumingMemoryBound(to: Atomic<UInt32>.self) }) else {
        return
      }
      while word.pointee.load(ordering: .relaxed) != 0 { usleep(10) }
      // By now whoever cleared it has woken those who slept.
      usleep(5000)
      word.pointee.store(1, ordering: .relaxed)
    }
  }
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
