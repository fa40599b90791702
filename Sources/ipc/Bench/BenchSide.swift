import CBenchLoops
import Interprocess
import SystemPackage

/// One side of what a mechanism's messages go through: the channel, and the loop in C.
struct BenchSide {
  private let outgoing: Channel
  private let incoming: Channel
  private var raw: RawSide
  private var pinning: BenchCell.Pinning?
  private let isFirst: Bool

  /// - Parameter incoming: where messages come back, over mechanisms that go one way.
  init(outgoing: Channel, incoming: Channel?, raw: RawSide, isFirst: Bool) {
    self.outgoing = outgoing
    self.incoming = incoming ?? outgoing
    self.raw = raw
    self.isFirst = isFirst
  }

  func close() {
    outgoing.close()
    incoming.close()
  }

  func canCarryRaw(_ byteCount: Int) -> Bool { raw.canCarry(byteCount) }

  mutating func pin(_ pinning: BenchCell.Pinning) throws {
    if self.pinning == pinning { return }
    var cpus: (CInt, CInt) = (-1, -1)
    let count = withUnsafeMutableBytes(of: &cpus) {
      bench_cpus($0.baseAddress?.assumingMemoryBound(to: CInt.self), 2)
    }
    let cpu =
      switch pinning {
      case .same: cpus.0
      case .different: isFirst || count < 2 ? cpus.0 : cpus.1
      case .free: CInt(-1)
      }
    let reason = bench_pin(cpu)
    // Who may not pin is free already.
    guard reason == 0 || pinning == .free else {
      throw InterprocessError(call: "sched_setaffinity", object: "CPU \(cpu)", errno: Errno(rawValue: reason))
    }
    self.pinning = pinning
  }

  // MARK: Slices

  /// The side that begins.
  mutating func lead(_ work: BenchWork, _ nanoseconds: UnsafeMutablePointer<UInt64>) throws {
    switch (work.way, work.measure) {
    case (.raw, .roundTrip): try raw.roundTrips(work, into: nanoseconds)
    case (.raw, .throughput): try raw.send(work)
    case (.channel, .roundTrip): try roundTrips(work, nanoseconds)
    case (.channel, .throughput):
      let message = UnsafeRawBufferPointer(start: work.buffer.start, count: work.bytes)
      for _ in 0..<work.count { try outgoing.send(message.bytes) }
    }
  }

  /// The side that answers, or takes what comes.
  mutating func follow(_ work: BenchWork) throws {
    switch (work.way, work.measure) {
    case (.raw, .roundTrip): try raw.echo(work)
    case (.raw, .throughput): try raw.receive(work)
    case (.channel, .roundTrip):
      let message = UnsafeRawBufferPointer(start: work.buffer.start, count: work.bytes)
      for _ in 0..<work.count {
        try receive(work)
        try outgoing.send(message.bytes)
      }
    case (.channel, .throughput): for _ in 0..<work.count { try receive(work) }
    }
  }

  private func roundTrips(_ work: BenchWork, _ nanoseconds: UnsafeMutablePointer<UInt64>) throws {
    let message = UnsafeRawBufferPointer(start: work.buffer.start, count: work.bytes)
    var last = bench_now()
    for index in 0..<work.count {
      try outgoing.send(message.bytes)
      try receive(work)
      let now = bench_now()
      nanoseconds[index] = now &- last
      last = now
    }
  }

  @inline(__always)
  private func receive(_ work: BenchWork) throws {
    let count = try incoming.withReceivedMessage { $0.byteCount }
    guard count == work.bytes else { throw JobFailure("\(count ?? 0) bytes came instead of \(work.bytes)") }
  }
}
