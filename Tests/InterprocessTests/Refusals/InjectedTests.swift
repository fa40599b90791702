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
