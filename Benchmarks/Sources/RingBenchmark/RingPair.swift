import BenchmarkSupport
import CAllocations
import CRingFloors
import Glibc
import Interprocess

/// Two processes with a ring each way, pinned. Every measurement gives nanoseconds.
struct RingPair: ~Copyable {
  private let memory: AnonymousMemory
  private let second: Int
  private let processors: (CInt, CInt)

  init(capacity: Int, processors: (CInt, CInt)) throws {
    let size = try Ring.byteCount(capacity: capacity)
    let memory = try Ring.create(capacity: capacity, count: 2)
    second = size
    self.memory = memory
    self.processors = processors
  }

  /// There and back, copied out and in on the other side.
  ///
  /// - Parameter idle: microseconds of silence before each, which are not counted.
  func roundTrip(size: Int, count: Int, idle: UInt32 = 0) throws -> Double {
    var child = try ForkedProcess { try echo(size) }
    return try pinned {
      var producer = try RingProducer(attachingTo: memory.mapping)
      var consumer = try RingConsumer(attachingTo: memory.mapping, at: second)
      var total = 0.0
      try withBuffer(size) { buffer in
        let message = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
        var start = nanoseconds()
        for _ in 0..<count {
          if idle > 0 {
            usleep(idle)
            start = nanoseconds()
          }
          try producer.send(message)
          var output = OutputRawSpan(buffer: buffer, initializedCount: 0)
          _ = try consumer.receive(into: &output)
          _ = output.finalize(for: buffer)
          if idle > 0 { total += nanoseconds() - start }
        }
        if idle == 0 { total = nanoseconds() - start }
      }
      producer.close()
      _ = try child.wait()
      return total / Double(count)
    }
  }

  private func echo(_ size: Int) throws {
    c_pin(processors.1)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    var producer = try RingProducer(attachingTo: memory.mapping, at: second)
    try withBuffer(size) { buffer in
      while true {
        var output = OutputRawSpan(buffer: buffer, initializedCount: 0)
        guard try consumer.receive(into: &output) != nil else { return }
        try producer.send(output.bytes)
        _ = output.finalize(for: buffer)
      }
    }
  }

  /// A message is lent in place, not touched, and another one lent back.
  func loan(size: Int, count: Int) throws -> Double {
    var child = try ForkedProcess {
      c_pin(processors.1)
      var consumer = try RingConsumer(attachingTo: memory.mapping)
      var producer = try RingProducer(attachingTo: memory.mapping, at: second)
      while try consumer.waitForMessage() {
        consumer.consume()
        try producer.waitForRoom(byteCount: size)
        producer.commit()
      }
    }
    return try pinned {
      var producer = try RingProducer(attachingTo: memory.mapping)
      var consumer = try RingConsumer(attachingTo: memory.mapping, at: second)
      let start = nanoseconds()
      for _ in 0..<count {
        try producer.waitForRoom(byteCount: size)
        producer.commit()
        _ = try consumer.waitForMessage()
        consumer.consume()
      }
      let total = nanoseconds() - start
      producer.close()
      _ = try child.wait()
      return total / Double(count)
    }
  }

  /// One way, copied in and out; until the other side has said that all came.
  func throughput(size: Int, count: Int) throws -> Double {
    var child = try ForkedProcess {
      c_pin(processors.1)
      var consumer = try RingConsumer(attachingTo: memory.mapping)
      var producer = try RingProducer(attachingTo: memory.mapping, at: second)
      try withBuffer(size) { buffer in
        for _ in 0..<count {
          var output = OutputRawSpan(buffer: buffer, initializedCount: 0)
          guard try consumer.receive(into: &output) == size else { throw Failure("a message is missing") }
          _ = output.finalize(for: buffer)
        }
      }
      try producer.send([1])
      _ = try consumer.receive()
    }
    return try pinned {
      var producer = try RingProducer(attachingTo: memory.mapping)
      var consumer = try RingConsumer(attachingTo: memory.mapping, at: second)
      let message = [UInt8](repeating: 7, count: size)
      let start = nanoseconds()
      for _ in 0..<count { try producer.send(message.span.bytes) }
      _ = try consumer.receive()
      let total = nanoseconds() - start
      producer.close()
      _ = try child.wait()
      return total / Double(count)
    }
  }

  /// The processor time a second that two sides use which wait for nothing.
  static func idleCost() throws -> Double {
    let pair = try RingPair(capacity: 1 << 16, processors: (0, 1))
    let before = c_processor_seconds()
    var child = try ForkedProcess {
      var consumer = try RingConsumer(attachingTo: pair.memory.mapping)
      _ = try consumer.receive()
    }
    var producer = try RingProducer(attachingTo: pair.memory.mapping)
    var consumer = try RingConsumer(attachingTo: pair.memory.mapping, at: pair.second)
    try? _ = consumer.receive(timeout: .seconds(2))
    producer.close()
    _ = try child.wait()
    // The fork and the child's end are in it, and stay below the limit.
    return (c_processor_seconds() - before) / 2
  }

  /// How often one message, sent and received, allocates.
  static func allocations() throws -> Double {
    let count = 10_000
    let memory = try Ring.create(capacity: 1 << 16)
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping)
    return try withBuffer(64) { buffer in
      let message = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
      let before = c_allocations()
      for _ in 0..<count {
        try producer.send(message)
        var output = OutputRawSpan(buffer: buffer, initializedCount: 0)
        _ = try consumer.receive(into: &output)
        _ = output.finalize(for: buffer)
      }
      return Double(c_allocations() - before) / Double(count)
    }
  }

  private func pinned(_ body: () throws -> Double) throws -> Double {
    c_pin(processors.0)
    return try body()
  }
}

private func withBuffer<Result>(_ size: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Result) throws -> Result
{
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
  buffer.initializeMemory(as: UInt8.self, repeating: 7)
  defer { buffer.deallocate() }
  return try body(buffer)
}

private func nanoseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return 1e9 * Double(time.tv_sec) + Double(time.tv_nsec)
}
