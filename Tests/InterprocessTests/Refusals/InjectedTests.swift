import Glibc
import SystemPackage
import TestSupport
import Testing

/// strace makes the call fail that this machine's kernel has no reason to refuse.
@Suite("Refusals that are injected", .blocking, .queues(), .enabled(if: Strace.isAvailable, "\(Strace.absence)"))
struct InjectedTests {
  @Test(
    "each is told with its remedy",
    arguments: [
      ("pipe2:error=ENFILE", "Pipe", Errno.tooManyOpenFilesInSystem, "raise fs.file-max with sysctl"),
      ("eventfd2:error=ENFILE", "EventCounter", .tooManyOpenFilesInSystem, "raise fs.file-max with sysctl"),
      ("socketpair:error=EMFILE", "SocketPair", .tooManyOpenFiles, "with ulimit -n"),
      ("fallocate:error=ENOSPC", "MappedFile(creating:)", .noSpace, "no room for 100 bytes"),
      ("fallocate:error=EDQUOT", "MappedFile(creating:)", .diskQuotaExceeded, "this user's disk quota is used up"),
      ("fallocate:error=ENOSPC", "AnonymousMemory", .noSpace, "no room for 100 bytes"),
      ("fallocate:error=ENOMEM", "AnonymousMemory", .noMemory, "there is not so much memory"),
      ("msync:error=EIO", "Mapping.sync", .ioError, ""),
      ("madvise:error=EINVAL", "Mapping.advise", .invalidArgument, "this kernel has no huge pages for this memory"),
      ("fcntl:error=ENOLCK", "FileLock.acquire", .noLocks, "the machine has as many file locks as it can"),
      ("fcntl:error=ENOLCK", "FileLock.tryAcquire", .noLocks, "the machine has as many file locks as it can"),
      ("fcntl:error=ENOLCK", "FileLock.conflict", .noLocks, ""),
      ("getsockopt:error=ENOPROTOOPT", "SocketPair.peerProcess", .protocolNotAvailable, "older than Linux 6.5"),
      ("clone:error=ENOMEM", "ForkedProcess", .noMemory, "there is not enough memory for another process"),
      ("clone:error=EAGAIN", "ForkedProcess", .resourceTemporarilyUnavailable, "raise ulimit -u"),
      (
        "flock:error=EAGAIN", "UnixListener(at:replacingDeadServer:)", .resourceBusy,
        "another process holds this directory locked"
      ),
    ])
  func injected(injection: String, label: String, reason: Errno, remedy: String) throws {
    let run = try Strace.output(of: [Refusals.helper, "refusals-injected"], injecting: injection)
    #expect(run.exitCode == 0, "\(run)")
    let told = Refusals(run.lines)
    told.expect(label, reason, remedy)
    // Nothing else fails with it, and all of it works otherwise.
    for other in told.labels where told.reason(other) != reason.rawValue { told.expect(other, nil) }
  }

  @Test("a file system without fallocate is got along with")
  func withoutFallocate() throws {
    let run = try Strace.output(of: [Refusals.helper, "refusals-injected"], injecting: "fallocate:error=EOPNOTSUPP")
    let told = Refusals(run.lines)
    for label in told.labels { told.expect(label, nil) }
  }
}

@Suite("Interruptions", .blocking, .queues())
struct InterruptionTests {
  @Test("no wait ends because a signal came, and a timeout ends it all the same")
  func interruptions() throws {
    let told = try Refusals.run("interruptions")
    #expect(told.reason("interrupted") == Errno.interrupted.rawValue, "a call that is not repeated is interrupted")
    for label in told.labels where label != "interrupted" {
      told.expect(label, label.hasSuffix(", timeout") ? .timedOut : nil)
    }
    #expect(told.labels.count >= 38)
  }
}

@Suite("What the system does not have", .blocking)
struct WithoutTests {
  @Test(
    "a kernel that knows no flags of preadv2 and pwritev2: nothing blocks, and no SIGPIPE comes",
    .enabled(if: Strace.isAvailable, "\(Strace.absence)"), arguments: ["preadv2,pwritev2", "pwritev2"])
  func flags(calls: String) throws {
    let run = try Strace.output(
      of: [Refusals.helper, "pipes-of-old-kernels"], injecting: "\(calls):error=EOPNOTSUPP")
    #expect(
      run.lines == [
        "nothing yet: true", "room: 65536", "no room: true", "bytes: 65536", "timeout: true", "reader left: true",
        "signal left: false",
      ], "\(run)")
  }

  @Test("a user with no room for another timer: deadlines and cancellation come all the same")
  func timers() throws {
    let told = try Refusals.run("waits-without-timers")
    told.expect("blocking, timeout", .timedOut)
    told.expect("task, timeout", .timedOut)
    told.expect("task, cancelled", .canceled)
    told.expect("task, message", nil)
  }

  @Test("a process whose first waiting task found no descriptor waits once it has one")
  func descriptors() throws {
    let told = try Refusals.run("first-wait-without-descriptors")
    told.expect("first", .tooManyOpenFiles)
    told.expect("second", .timedOut)
  }

  @Test(
    "a suspended wait that the system refuses says which call it was; timers are done without",
    .enabled(if: Strace.isAvailable, "\(Strace.absence)"),
    arguments: [
      ("mq_notify:error=ENOMEM", [Errno.timedOut, .noMemory, .timedOut], "mq_notify"),
      ("timer_create:error=EAGAIN", [.timedOut, nil, .timedOut], "msgrcv"),
    ])
  func waits(injection: String, reasons: [Errno?], call: String) throws {
    let run = try Strace.output(of: [Refusals.helper, "waits-injected"], injecting: injection, following: true)
    let told = Refusals(run.lines)
    let labels = ["descriptor", "notification", "thread"]
    for (label, reason) in zip(labels, reasons) { told.expect(label, reason) }
    #expect(labels.contains { told.message($0)?.hasPrefix(call) == true }, "\(run)")
  }

  // The first epoll_ctl of a thread is libdispatch's, the next two are the first wait's.
  @Test(
    "a suspended wait for which epoll has no room says so",
    .enabled(if: Strace.isAvailable, "\(Strace.absence)"),
    arguments: [(2, "epoll_ctl(eventfd"), (3, "epoll_ctl(descriptor")])
  func watches(number: Int, call: String) throws {
    func run() throws -> Command {
      try Strace.output(
        of: [Refusals.helper, "waits-injected"], injecting: "epoll_ctl:error=ENOSPC:when=\(number)", following: true)
    }
    func isIt(_ run: Command) -> Bool { Refusals(run.lines).message("descriptor")?.hasPrefix(call) == true }
    var last = try run()
    // On a busy machine the first wait may come to a thread that libdispatch has not been on, and the count be another.
    for _ in 0..<4 where !isIt(last) { last = try run() }
    Refusals(last.lines).expect("descriptor", .noSpace, "fs.epoll.max_user_watches")
    #expect(isIt(last), "\(last)")
  }

  @Test(
    "a user with no room for a thread is told so by what waits on one",
    .enabled(if: geteuid() == 0, "another user takes root to become"))
  func threads() throws {
    let told = try Refusals.run("wait-without-threads")
    told.expect("thread", .resourceTemporarilyUnavailable, "this user may have no more threads; raise ulimit -u")
  }

  @Test(
    "a message above the usual limit is received by a process that cannot look the limit up",
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func largestMessage() throws {
    let run = try Isolated.run(
      [Refusals.helper, "large-message-without-descriptors"],
      options: ["kernel.msgmax=65536", "kernel.msgmnb=65536"].flatMap { ["--sysctl", $0] })
    let told = Refusals(run.output)
    told.expect("receive", nil)
    #expect(told.reason("bytes") == 30_000, "\(run)")
  }
}
