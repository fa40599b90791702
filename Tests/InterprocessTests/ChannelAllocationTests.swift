import Glibc
import Interprocess
import TestSupport
import Testing

/// How often tasks allocate that send and receive spans: `Tests/ForkedProcessHelper/ChannelAllocations.swift`.
@Suite(
  "What a channel's tasks allocate", .blocking, .queues(2), .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"),
  .disabled(if: Sanitizer.isPresent, "skipped: a sanitizer allocates itself"))
struct ChannelAllocationTests {
  /// How often a task's wait allocates, at most: 6 times in a ring, 7 or 8 times for a descriptor, for the continuation
  /// and those that resume and cancel it; where a System V queue makes it a thread, up to 9 times.
  private static let wait = 12.0

  @Test(
    "nothing where nothing has to be waited for, and else for the wait, however many messages there are",
    arguments: Mechanism.allCases)
  func allocations(_ mechanism: Mechanism) throws {
    var (ready, receiving, sending) = try counts(mechanism)
    // On a busy machine what is ready has to be waited for now and then. What allocates does so each time.
    for _ in 0..<2 where !ready.allSatisfy({ $0 < 0.05 }) { (ready, receiving, sending) = try counts(mechanism) }
    // Now and then another thread allocates something.
    #expect(ready.allSatisfy { $0 < 0.05 }, "\(ready)")
    // On a busy machine some of what should be waited for is there already.
    for counts in [receiving, sending] {
      #expect(counts.allSatisfy { $0 > 0 && $0 <= Self.wait }, "\(counts)")
    }
    #expect(receiving[1] <= receiving[0] + 2, "\(receiving)")
  }

  /// Of few messages and of many.
  private func counts(_ mechanism: Mechanism) throws -> (ready: [Double], receiving: [Double], sending: [Double]) {
    let run = try Command.run(
      Package.program("forked-process-helper"), ["channel-allocations", mechanism.rawValue],
      environment: ["LD_PRELOAD": Self.counter.get()], timeout: generous)
    let counts = run.lines.map { $0.split(separator: " ").compactMap { Double($0) } }
    try #require(counts.map(\.count) == [2, 2, 2], "\(run.output) \(run.errors)")
    return (counts[0], counts[1], counts[2])
  }

  /// The library that counts, compiled from what the benchmarks are linked with.
  private static let counter = Result {
    let folder = "\(Package.root)/.build/peers"
    let (library, fresh) = ("\(folder)/allocations.so", "\(folder)/allocations-\(getpid()).so")
    for folder in ["\(Package.root)/.build", folder] { mkdir(folder, 0o755) }
    let source = "\(Package.root)/Benchmarks/Sources/CAllocations"
    let compiler = try Command.run(
      "/usr/bin/cc", ["-O1", "-shared", "-fPIC", "-I", "\(source)/include", "-o", fresh, "\(source)/CAllocations.c"])
    guard compiler.exitCode == 0, rename(fresh, library) == 0 else { throw Command.Failure(compiler.errors) }
    return library
  }
}
