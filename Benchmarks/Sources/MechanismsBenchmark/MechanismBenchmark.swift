import BenchmarkSupport
import CAllocations
import Glibc
import Synchronization

/// One mechanism: its time beside C's and Python's, and what it allocates.
struct MechanismBenchmark {
  let mechanism: any Mechanism.Type
  let rounds: Int
  let python: Python

  /// Its process has to start, each time.
  private static let roundsAPythonRun = 20
  private static let countedMessages = 10_000

  /// How many times as long as the loop in C a wrapper may take.
  private static let mostOfC = 1.05

  /// - Returns: median times of one message, or one release and acquire, in seconds.
  func run(table: inout Table) throws -> [(name: String, seconds: Double)] {
    let loop = try mechanism.init()
    let (name, count) = (mechanism.name, mechanism.count)
    let (swift, peers, python) = try measure(loop)
    for (index, (peer, times)) in zip(loop.peers, peers).enumerated() {
      table.add("\(name): Swift / \(peer.name)", swift, over: times, index == 0 ? .atMost(Self.mostOfC) : .none)
    }
    if let peer = mechanism.python { compare(peer, python, swift, c: peers[0], table: &table) }
    for (form, allocations) in try allocationsPerMessage(loop) {
      table.add("\(name): allocations\(form)", allocations, .atMost(0))
    }
    let all = [("C", peers[0]), ("Swift", swift)] + (python.map { [("Python", $0)] } ?? [])
    return all.map { ("\(name) in \($0)", $1.median / Double(count)) }
  }

  /// No wrapper is faster than what it wraps: where C's own ratio is too small for the factor, what is demanded is that
  /// ratio, less what a wrapper may take.
  private func compare(_ peer: PythonPeer, _ python: Samples?, _ swift: Samples, c: Samples, table: inout Table) {
    let what = "\(mechanism.name): \(peer.module)"
    guard let python else { return table.skip("\(what) / Swift", because: "no \(peer.module)") }
    table.add("\(what) / C", python, over: c, .none)
    guard let factor = peer.factor else { return table.add("\(what) / Swift", python, over: swift, .none) }
    let ceiling = python.ratio(to: c) / Self.mostOfC
    let note = ceiling < factor ? "C's ratio / \(Self.mostOfC), which is below \(factor)" : ""
    table.add("\(what) / Swift", python, over: swift, .atLeast(min(factor, ceiling)), note: note)
  }

  private func measure(_ loop: any Mechanism) throws -> (swift: Samples, peers: [Samples], python: Samples?) {
    let (peers, count) = (loop.peers, mechanism.count)
    var swift = Samples()
    var times = [Samples](repeating: Samples(), count: peers.count)
    var pythonTimes: Samples?
    let hasPython = mechanism.python.map { python.has($0.module) } ?? false
    for round in 0..<rounds {
      // -1 is Swift. In another order each time: what one leaves behind falls on all alike.
      for index in (-1..<peers.count).shuffled() {
        if index == -1 {
          try swift.time { try loop.runSwift(count) }
        } else {
          let reason = times[index].time { peers[index].run(count) }
          if reason != 0 { throw Failure("\(mechanism.name) in C: \(String(cString: strerror(reason)))") }
        }
      }
      if hasPython, round.isMultiple(of: Self.roundsAPythonRun), let peer = mechanism.python {
        var samples = pythonTimes ?? Samples()
        for seconds in try python.run(peer.module, peer.kind, count) { samples.append(seconds) }
        pythonTimes = samples
      }
    }
    return (swift, times, pythonTimes)
  }

  private func allocationsPerMessage(_ loop: any Mechanism) throws -> [(form: String, allocations: Double)] {
    let atFirst = c_allocations()
    // What is counted for nothing would be missed.
    let array = [UInt8](repeating: 0, count: mechanism.count)
    guard withExtendedLifetime(array, { c_allocations() > atFirst }) else { throw Failure("malloc is not counted") }
    var counts: [(form: String, allocations: Double)] = []
    var before = c_allocations()
    func note(_ form: String) {
      counts.append((form, Double(c_allocations() - before) / Double(Self.countedMessages)))
    }
    try loop.runSwift(Self.countedMessages)
    note("")
    if mechanism.isLock { return counts }
    before = c_allocations()
    try loop.runTrying(Self.countedMessages)
    note(", try")
    counts.append((", async", try Counted.perMessage(loop, Self.countedMessages)))
    return counts
  }
}

/// What a task allocates, counted by it: starting one allocates too.
private final class Counted: @unchecked Sendable {
  // Sendable: written by the task before it raises the flag, read behind that.
  private let loop: any Mechanism
  private var result = Result<Double, any Error>.success(0)
  private let isDone = Atomic(false)

  private init(_ loop: any Mechanism) { self.loop = loop }

  static func perMessage(_ loop: any Mechanism, _ count: Int) throws -> Double {
    let counted = Counted(loop)
    Task.detached {
      do {
        // The first waits set up what stays.
        try await counted.loop.runSuspending(10)
        let before = c_allocations()
        try await counted.loop.runSuspending(count)
        counted.result = .success(Double(c_allocations() - before) / Double(count))
      } catch {
        counted.result = .failure(error)
      }
      counted.isDone.store(true, ordering: .releasing)
    }
    while !counted.isDone.load(ordering: .acquiring) { usleep(100) }
    return try counted.result.get()
  }
}
