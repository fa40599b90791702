import BenchmarkSupport
import Glibc
import Interprocess

/// The codec beside Python's cbor2, and beside memcpy.
struct CodecBenchmark {
  let rounds: Int
  let python: String

  private let encoder = CBOREncoder()
  private let decoder = CBORDecoder()

  private struct Point: Codable {
    var id: Int
    var name: String
    var x: Double
    var y: Double
    var isVisible: Bool
  }

  /// By name, in the order measured.
  private(set) var times: [(name: String, times: Samples)] = []

  init(rounds: Int, python: String) {
    self.rounds = rounds
    self.python = python
  }

  mutating func run(table: inout Table) throws {
    try structs(&table)
    try largeArray(&table)
  }

  private mutating func structs(_ table: inout Table) throws {
    // The same thousand in Python: `Peers/codec.py`.
    let points = (0..<1000).map {
      Point(id: $0, name: "point \($0)", x: Double($0) / 3, y: -Double($0), isVisible: $0 % 2 == 0)
    }
    let bytes = try encoder.encode(points)
    // Python runs twice, before and after: what slows the machine down for a while falls on both.
    var peers = [try? python(rounds: (rounds + 1) / 2)]
    var (encoding, decoding) = (Samples(), Samples())
    for _ in 0..<rounds {
      try encoding.time { _ = try encoder.encode(points) }
      try decoding.time { _ = try decoder.decode([Point].self, from: bytes) }
    }
    peers.append(try? python(rounds: (rounds + 1) / 2))
    times += [("1,000 structs, encoded in Swift", encoding), ("1,000 structs, decoded in Swift", decoding)]
    for (index, what, swift) in [(0, "encoded", encoding), (1, "decoded", decoding)] {
      let name = "1,000 structs, \(what): Swift / cbor2"
      let seconds = peers.compactMap { $0?[index] }.flatMap(\.self)
      if seconds.isEmpty {
        table.skip(name, because: "\(python) has no compiled cbor2")
      } else {
        table.add(name, swift, over: Samples(of: seconds), .atMost(1.5))
        times.append(("1,000 structs, \(what) by cbor2", Samples(of: seconds)))
      }
    }
  }

  /// - Returns: the seconds of each encoding, and of each decoding.
  private func python(rounds: Int) throws -> [[Double]] {
    let script = #filePath.parentPath.parentPath.parentPath + "/Peers/codec.py"
    let output = try outputOfProgram([python, script, "\(rounds)"])
    let times = output.split(separator: "\n").map { line in line.split(separator: " ").compactMap { Double($0) } }
    guard times.count == 2, times.allSatisfy({ $0.count == rounds }) else {
      throw Failure("Peers/codec.py printed \(output)")
    }
    return times
  }

  private mutating func largeArray(_ table: inout Table) throws {
    let numbers = (0..<1_000_000).map { Double($0) / 7 }
    let encoded = try encoder.encode(numbers)
    var (copying, encoding, decoding) = (Samples(), Samples(), Samples())
    for _ in 0..<rounds {
      // Into new memory, as the other two have to.
      copying.time { copyToNewMemory(numbers) }
      try encoding.time { _ = try encoder.encode(numbers) }
      try decoding.time { _ = try decoder.decode([Double].self, from: encoded) }
    }
    table.add("[Double] of 1 M: memcpy / encoded", copying, over: encoding, .atLeast(0.5))
    table.add("[Double] of 1 M: memcpy / decoded", copying, over: decoding, .atLeast(0.5))
    times += [
      ("[Double] of 1 M, memcpy", copying), ("[Double] of 1 M, encoded", encoding),
      ("[Double] of 1 M, decoded", decoding),
    ]
  }
}

private func copyToNewMemory(_ numbers: [Double]) {
  numbers.withUnsafeBytes { bytes in
    let copy = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 16)
    if let start = bytes.baseAddress { memcpy(copy, start, bytes.count) }
    escape(copy)
    copy.deallocate()
  }
}

/// So that the compiler does not leave out what nobody reads.
@inline(never)
private func escape(_ memory: UnsafeMutableRawPointer) {}
