import Testing

@testable import ipc

@Suite("What ipc bench says at the end")
struct BenchAdviceTests {
  private func result(
    _ name: String, _ measure: BenchCell.Measure, _ bytes: Int, _ value: Double, _ pinning: BenchCell.Pinning = .free
  ) -> BenchResult {
    BenchResult(
      name: name, cell: BenchCell(measure: measure, bytes: bytes, pinning: pinning), value: value, raw: nil, ratio: nil,
      cpu: 1, latencies: [])
  }

  @Test("the fastest there and back is for small messages, and a one-way mechanism is not")
  func small() {
    let advice = BenchAdvice([
      result("pipe", .roundTrip, 8, 9000), result("socket-pair", .roundTrip, 8, 8000),
      result("file", .roundTrip, 8, 10),
    ])
    #expect(advice.lines.first?.hasPrefix("Small messages: socket-pair; 8 B there and back take 8.00 us") == true)
  }

  @Test("the one that carries most is for large messages, and the ring stands for its equals")
  func large() {
    let memory = [
      result("pipe", .throughput, 1 << 20, 2e9), result("anonymous-memory", .throughput, 1 << 20, 9e9),
      result("ring", .throughput, 1 << 20, 8.9e9),
    ]
    #expect(
      BenchAdvice(memory).lines == [
        "Large messages: ring; 8.90 GB/s in messages of 1 MiB, where pipe, the fastest through the kernel, carries "
          + "2.00 GB/s."
      ])
  }

  @Test("a queue is for many producers, a socket for strangers, whatever is faster")
  func others() {
    let advice = BenchAdvice([
      result("posix-message-queue", .throughput, 64, 64e6), result("system-v-message-queue", .throughput, 64, 128e6),
      result("unix-socket", .roundTrip, 8, 9000), result("named-pipe", .roundTrip, 8, 5000),
    ])
    #expect(advice.lines.contains { $0.hasPrefix("Many producers: system-v-message-queue; ") })
    #expect(advice.lines.contains { $0.hasPrefix("Strangers: unix-socket; ") })
  }

  @Test("what was not measured is not spoken of, and a peer is never chosen")
  func none() {
    #expect(BenchAdvice([]).lines.isEmpty)
    #expect(BenchAdvice([result("zeromq", .roundTrip, 8, 1)]).lines.isEmpty)
  }

  @Test("numbers have three digits and a unit")
  func units() {
    #expect(
      [0.5, 12.34, 999, 1234, 83_400, 4_000_000, 2e9].map(BenchUnit.time) == [
        "0.50 ns", "12.3 ns", "999 ns", "1.23 us", "83.4 us", "4.00 ms", "2.00 s",
      ])
    #expect([1e3, 5e6, 12.34e9].map(BenchUnit.rate) == ["1.00 kB/s", "5.00 MB/s", "12.3 GB/s"])
    #expect([8, 4096, 65536, 1 << 20].map(BenchUnit.size) == ["8 B", "4 KiB", "64 KiB", "1 MiB"])
  }

  @Test("a scale of powers of ten holds every value between its ends")
  func scale() throws {
    let scale = try #require(LogScale([3, 4000]))
    #expect(scale.powers == 0...4 && scale.ticks == [1, 10, 100, 1000, 10000])
    #expect(scale.place(1) == 0 && scale.place(100) == 0.5 && scale.place(10000) == 1)
    #expect(LogScale([]) == nil && LogScale([.nan, 0]) == nil)
  }
}
