import Distributed
import Glibc
public import Workers

/// What the tests of pools call.
public distributed actor Subject: WorkerActor {
  public typealias ActorSystem = WorkerSystem

  private var count = 0

  public init(actorSystem: WorkerSystem) { self.actorSystem = actorSystem }

  public distributed func double(_ number: Int) -> Int { 2 * number }
  public distributed func echo(_ bytes: [UInt8]) -> [UInt8] { bytes }
  public distributed func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 1, count: count) }
  public distributed func process() -> Int32 { getpid() }

  /// Counts the calls of this worker.
  public distributed func next() -> Int {
    count += 1
    return count
  }

  public distributed func refuse(_ why: String) throws -> Int { throw Refusal(why: why) }
  public distributed func refuseInPrivate() throws { throw Secret() }
  public distributed func onMain() async -> Int { await MainActor.run { 7 } }

  public distributed func sleep(milliseconds: Int) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }

  /// Until it is cancelled, without ever suspending.
  public distributed func poll() -> Bool {
    while !Task.isCancelled { usleep(1000) }
    return true
  }

  /// The same, once it has told that it runs, and without leaving the processor.
  public distributed func reportAndPoll() throws -> Bool {
    try WorkerContext.report(1)
    while !Task.isCancelled {}
    return true
  }

  public distributed func spin() -> Int {
    var number = 0
    while number >= 0 { number = (number + 1) & 0xFFFF }
    return number
  }

  public distributed func report(_ count: Int) throws -> Int {
    for number in 0..<count { try WorkerContext.report(number) }
    return count
  }

  public distributed func die(_ how: Death) -> Int {
    how.happen()
    return 0
  }
}

public struct Refusal: Error, Codable, Equatable, Sendable {
  public let why: String
  public init(why: String) { self.why = why }
}

private struct Secret: Error, CustomStringConvertible {
  var description: String { "it is secret" }
}

/// A way for a worker to end.
public enum Death: String, Codable, CaseIterable, Sendable {
  case segmentationFault, abort, trap, kill, exitZero, exitThree

  func happen() {
    switch self {
    case .segmentationFault: raise(SIGSEGV)
    case .abort: Glibc.abort()
    case .trap:
      let empty: [Int] = []
      print(empty[CommandLine.argc < 0 ? 0 : Int(CommandLine.argc)])
    case .kill: Glibc.kill(getpid(), SIGKILL)
    case .exitZero: _exit(0)
    case .exitThree: exit(3)
    }
  }
}

public enum Square: WorkerFunction {
  public static func call(_ input: Int) throws -> Int {
    if input == -1 { throw Refusal(why: "negative") }
    if input == -2 { kill(getpid(), SIGKILL) }
    return input * input
  }
}
