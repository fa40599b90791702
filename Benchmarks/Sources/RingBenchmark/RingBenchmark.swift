import BenchmarkSupport
import CRingFloors
import Interprocess

/// The ring's figures beside their floors, round by round.
struct RingBenchmark {
  let rounds: Int
  /// By name, in the order measured.
  private(set) var times: [(name: String, times: Samples)] = []

  init(rounds: Int) { self.rounds = rounds }

  mutating func run(table: inout Table) throws {
    try latency(&table)
    try asleep(&table)
    try throughput(&table)
    try large(&table)
    table.add("idle: processor time", try RingPair.idleCost(), .atMost(0.01))
    try countAllocations(table: &table)
  }

  /// Last: who has opened a channel has a thread, and may not fork any more.
  func countAllocations(table: inout Table) throws {
    table.add("allocations a message", try RingPair.allocations(), .atMost(0))
    for mechanism in Mechanism.allCases {
      for (size, name) in [(64, "64 B"), (1 << 20, "1 MiB")] {
        let allocations = try ChannelAllocations.perMessage(over: mechanism, byteCount: size)
        table.add("\(name), \(mechanism): allocations", allocations, .atMost(0))
      }
    }
  }

  private mutating func latency(_ table: inout Table) throws {
    let count = 200_000
    let all = try measure([
      ("ring, round trip", { try RingPair(capacity: 1 << 16, processors: (0, 1)).roundTrip(size: 64, count: count) }),
      ("cache line, to and fro", { c_ping_pong(0, 1, count) }),
      ("rigtorp, round trip", { c_rigtorp_round_trip(0, 1, count) }),
      ("ring, 64 B lent", { try RingPair(capacity: 1 << 24, processors: (0, 1)).loan(size: 64, count: count) }),
      ("ring, 4 MiB lent", { try RingPair(capacity: 1 << 24, processors: (0, 1)).loan(size: 4 << 20, count: count) }),
    ])
    table.add("round trip / cache line", all[0], over: all[1], .atMost(2))
    table.add("round trip / rigtorp", all[0], over: all[2], .atMost(1))
    table.add("4 MiB lent / 64 B lent", all[4], over: all[3], .atMost(1.2))
  }

  private mutating func asleep(_ table: inout Table) throws {
    let all = try measure([
      (
        "ring, round trip asleep",
        { try RingPair(capacity: 1 << 16, processors: (0, 1)).roundTrip(size: 64, count: 200, idle: 1000) }
      ),
      ("futex, round trip asleep", { c_futex_round_trip(0, 1, 200, 1000) }),
      (
        "ring, round trip on one CPU",
        { try RingPair(capacity: 1 << 16, processors: (0, 0)).roundTrip(size: 64, count: 10_000) }
      ),
      ("pipe, round trip on one CPU", { c_pipe_round_trip(0, 0, 10_000) }),
    ])
    table.add("asleep / futex", all[0], over: all[1], .atMost(1.15))
    table.add("on one CPU / pipe", all[2], over: all[3], .atMost(1.3))
  }

  private mutating func throughput(_ table: inout Table) throws {
    let count = 2_000_000
    let all = try measure([
      (
        "ring, 64 B one way", { try RingPair(capacity: 1 << 20, processors: (0, 1)).throughput(size: 64, count: count) }
      ),
      ("boost spsc_queue, 64 B", { c_boost_throughput(0, 1, count) }),
      ("rigtorp, 64 B", { c_rigtorp_throughput(0, 1, count) }),
      ("pipe, 64 B", { c_pipe_throughput(0, 1, 64, 100_000) }),
    ])
    if all[1].median > 0 {
      table.add("64 B: boost / ring", all[1], over: all[0], .atLeast(0.8))
    } else {
      table.skip("64 B: boost / ring", because: "built without libboost-dev")
    }
    table.add("64 B: rigtorp / ring", all[2], over: all[0], .none)
    table.add("64 B: pipe / ring", all[3], over: all[0], .atLeast(20))
  }

  private mutating func large(_ table: inout Table) throws {
    for (name, size, count) in [("64 KiB", 1 << 16, 5000), ("1 MiB", 1 << 20, 400)] {
      let all = try measure([
        (
          "ring, \(name) one way",
          { try RingPair(capacity: 16 * size, processors: (0, 1)).throughput(size: size, count: count) }
        ),
        ("memcpy, \(name)", { c_memcpy(size, count) }),
        ("pipe, \(name)", { c_pipe_throughput(0, 1, size, count / 4) }),
      ])
      table.add("\(name): memcpy / ring", all[1], over: all[0], .atLeast(0.45))
      table.add("\(name): pipe / ring", all[2], over: all[0], .atLeast(4))
    }
  }

  /// Measures each once a round, in another order each time: what one leaves behind falls on all alike.
  private mutating func measure(_ things: [(name: String, run: () throws -> Double)]) throws -> [Samples] {
    var samples = things.map { _ in Samples() }
    for _ in 0..<rounds {
      for index in things.indices.shuffled() { samples[index].append(try things[index].run()) }
    }
    for (thing, times) in zip(things, samples) { self.times.append((thing.name, times)) }
    return samples
  }
}
