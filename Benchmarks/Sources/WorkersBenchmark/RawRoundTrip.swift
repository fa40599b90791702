import BenchmarkSupport
import CRingFloors
import Glibc
import Interprocess

/// A message of a call's size there and back with nothing in between, in a process of its own: it forks, which a program
/// with a pool's threads may not.
enum RawRoundTrip {
  private static let bytes = 64

  /// - Returns: seconds, the median of many.
  static func measure(_ mechanism: Mechanism) throws -> Double {
    let output = try outputOfProgram([CommandLine.arguments[0], "--raw", mechanism.rawValue])
    guard let seconds = output.split(whereSeparator: \.isWhitespace).first.flatMap({ Double($0) }) else {
      throw Failure("the raw round trip over \(mechanism) printed \(output)")
    }
    return seconds
  }

  /// In the process of its own.
  static func run(_ name: String) throws {
    switch name {
    case "ring": print(try ring(count: 100_000))
    case "pipe": print(c_pipe_round_trip(-1, -1, 50_000) * 1e-9)
    default: throw Failure("--raw \(name): ring or pipe")
    }
  }

  private static func ring(count: Int) throws -> Double {
    let memory = try Ring.create(capacity: 1 << 16, count: 2)
    let second = try Ring.byteCount(capacity: 1 << 16)
    var child = try ForkedProcess {
      var consumer = try RingConsumer(attachingTo: memory.mapping)
      var producer = try RingProducer(attachingTo: memory.mapping, at: second)
      while let message = try consumer.receive() { try producer.send(message.span.bytes) }
    }
    var producer = try RingProducer(attachingTo: memory.mapping)
    var consumer = try RingConsumer(attachingTo: memory.mapping, at: second)
    let message = [UInt8](repeating: 1, count: bytes)
    var times: [Double] = []
    for _ in 0..<count {
      let start = seconds()
      try producer.send(message.span.bytes)
      _ = try consumer.receive()
      times.append(seconds() - start)
    }
    producer.close()
    _ = try child.wait()
    return times.percentile(0.5)
  }
}

func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

extension [Double] {
  /// The value that this part of all lies below.
  func percentile(_ part: Double) -> Double {
    isEmpty ? .nan : sorted()[Swift.min(count - 1, Int(Double(count) * part))]
  }
}
