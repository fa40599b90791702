import TestSupport
import Testing

/// strace makes one system call of the kernel's fail; the rest is real.
@Suite("Initializers that fail half-way", .blocking, .queues(), .enabled(if: Strace.isAvailable, "\(Strace.absence)"))
struct HalfWayTests {
  @Test(
    "leave nothing of what they had made",
    arguments: [
      ("mq_getsetattr:error=EBADF", ["POSIXMessageQueue"], ["queue"]),
      ("fallocate:error=ENOSPC", ["POSIXSharedMemory", "AnonymousMemory", "MappedFile"], ["memory", "file"]),
      ("shmat:error=ENOMEM", ["SystemVSharedMemory"], ["segment"]),
      ("semtimedop:error=ENOMEM", ["SystemVSemaphoreSet"], ["set"]),
      ("listen:error=EOPNOTSUPP", ["UnixListener"], ["socket"]),
    ])
  func failure(injection: String, failing: [String], gone: [String]) throws {
    let run = try Strace.output(of: [Package.program("forked-process-helper"), "half-way"], injecting: injection)
    let failed = run.lines.filter { $0.hasPrefix("failed ") }
    #expect(failed.count == failing.count, "\(run.output)")
    for type in failing { #expect(failed.contains { $0.hasPrefix("failed \(type): ") }) }
    for thing in gone + ["descriptor"] { #expect(!run.lines.contains("left \(thing)"), "\(run.output)") }
    // The check sees what is there: the others were made.
    #expect(run.lines.contains("left file") == !gone.contains("file"))
  }
}
