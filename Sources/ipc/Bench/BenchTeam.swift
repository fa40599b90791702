import CInterprocess
import Glibc
import Interprocess

/// The two processes between which a mechanism is measured, as the one that prints has them.
///
/// Both are its children: so it stays single-threaded and can fork the next two, and what it has printed stays when a
/// mechanism fails.
struct BenchTeam: ~Copyable {
  private var follower: ForkedProcess
  private var driver: ForkedProcess
  private let raw: RawLoops
  private let results: BenchResults

  /// How long to wait at a time before looking for signals, and how long for a result at all.
  private static let patience = Duration.milliseconds(50)
  private static let longest = Duration.seconds(30)

  static func start(_ mechanism: Mechanism, _ cells: [BenchCell], _ effort: BenchEffort) throws -> BenchTeam {
    var channels = try BenchChannels.make(mechanism)
    let raw = try RawLoops(mechanism)
    let link = try BenchLink()
    let results = try BenchResults()
    // Removed here where starting fails; the channel's own objects go with their receivers.
    do {
      let follower = try ForkedProcess {
        try run(results) {
          try link.keep(first: false)
          try BenchFollower.run(try channels.open(raw, first: false), link)
        }
      }
      let driver = try ForkedProcess {
        try run(results) {
          try link.keep(first: true)
          let side = try channels.open(raw, first: true)
          defer { side.close() }
          let driver = BenchDriver(side, link, effort)
          for cell in cells {
            try results.send(.result(try driver.measure(mechanism.rawValue, cell).numbers))
          }
        }
      }
      try link.close()
      try results.keepReader()
      return BenchTeam(follower: follower, driver: driver, raw: raw, results: results)
    } catch {
      raw.remove()
      throw error
    }
  }

  /// What both children do, whatever else: signals that a terminal sends to all are the parent's, which ends them.
  private static func run(_ results: BenchResults, _ body: () throws -> Void) throws {
    Interruption.ignore()
    try results.keepWriter()
    do {
      try body()
    } catch {
      try? results.send(.failure("\(error)"))
      ForkedProcess.exit(1)
    }
  }

  /// The next result. Signals are noticed while it waits.
  ///
  /// - Parameter waiting: called now and then.
  mutating func next(_ name: String, _ cell: BenchCell, waiting: () -> Void) throws -> BenchResult {
    let deadline = ContinuousClock.now + Self.longest
    while true {
      try Interruption.check()
      do {
        switch try results.receive(timeout: Self.patience) {
        case .result(let numbers):
          guard let result = BenchResult(name: name, cell, numbers: numbers) else {
            throw JobFailure("the process that measures sent \(numbers.count) numbers")
          }
          return result
        case .failure(let reason): throw JobFailure(reason)
        case nil: throw try whyNothingComes()
        }
      } catch let error as InterprocessError where error.isTimeout {
        waiting()
        if ContinuousClock.now > deadline { throw JobFailure("no result in \(Self.longest)") }
      }
    }
  }

  private mutating func whyNothingComes() throws -> JobFailure {
    try Interruption.check()
    let ending = try driver.wait(timeout: .seconds(1))
    return JobFailure("the process that measures \(ending.map { "\($0)" } ?? "does not answer")")
  }

  /// Ends both, so that nothing is left of what they use.
  mutating func end() {
    raw.remove()
    // The one that is left sees that its peer has died, and removes the queues which the kernel keeps for nobody.
    try? follower.signal(SIGKILL)
    _ = try? driver.wait(timeout: .seconds(1))
    try? driver.signal(SIGKILL)
  }
}

/// The channels over a mechanism that both processes inherit: one, or one each way.
struct BenchChannels: ~Copyable {
  private var there: ChannelPair
  private var back: ChannelPair?

  static func make(_ mechanism: Mechanism) throws -> BenchChannels {
    let there = try Channel.pair(over: mechanism)
    if mechanism.isTwoWay { return BenchChannels(there: there, back: nil) }
    return BenchChannels(there: there, back: .some(try Channel.pair(over: mechanism)))
  }

  /// Opens one side's ends, in its process.
  mutating func open(_ raw: RawLoops, first: Bool) throws -> BenchSide {
    let one = first ? try there.openFirst() : try there.openSecond()
    // The first end is the one that sends.
    let other = first ? try back?.openSecond() : try back?.openFirst()
    let (outgoing, incoming) = first ? (one, other) : (other ?? one, one)
    return BenchSide(outgoing: outgoing, incoming: incoming, raw: raw.takeSide(first: first), isFirst: first)
  }
}
