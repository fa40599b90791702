import Glibc
import SystemPackage
import TestSupport
import Testing

/// Root makes the objects, and a process that has become another user tries to use them.
@Suite(
  "Refusals of another user", .blocking, .queues(),
  .enabled(if: getuid() == 0, "skipped: needs root, to become another user"))
struct AnotherUserTests {
  @Test("each kind of object keeps strangers out, and says so")
  func strangers() throws {
    let told = try Refusals.run("refusals-of-another-user")
    for label in [
      "POSIXMessageQueue(opening:)", "POSIXMessageQueue.unlink", "POSIXSemaphore(opening:)", "POSIXSemaphore.unlink",
      "POSIXSharedMemory(opening:)", "POSIXSharedMemory(creatingIfAbsent:)", "POSIXSharedMemory.unlink",
      "MappedFile(opening:)", "MappedFile(creatingIfAbsent:)", "FileLock(opening:)", "FileLock(creatingIfAbsent:)",
      "NamedPipe.create", "NamedPipe.Reader(opening:)", "NamedPipe.Writer(opening:)", "SystemVKey(file:project:)",
    ] { told.expect(label, .permissionDenied, "its owner and permissions do not let this user in") }
    for label in ["TemporaryFile", "TemporaryDirectory"] {
      told.expect(label, .permissionDenied, "this user may not create files there; set TMPDIR to another directory")
    }
    for label in ["UnixSocket(connectingTo:)", "MessageSocket(connectingTo:)"] {
      told.expect(label, .permissionDenied, "the socket's or its directory's permissions do not let this user in")
    }
    for label in ["UnixListener(at:)", "MessageSocket(boundTo:)"] {
      told.expect(label, .permissionDenied, "this user may not create files in its directory")
    }
    told.expect(
      "UnixListener(at:replacingDeadServer:)", .addressInUse, "this user may not ask whether its server is alive")
    told.expect("ProcessHandle.signal", .notPermitted, "the process is another user's")
  }

  @Test("System V objects are opened by anybody who may read them, and used and changed by those who may")
  func systemV() throws {
    let told = try Refusals.run("refusals-of-another-user")
    for (type, kind, used) in [
      ("SystemVMessageQueue", "queue", [".send", ".receive", ".status"]),
      ("SystemVSemaphoreSet", "set", ["(opening:)", ".acquire", ".setValue"]),
      ("SystemVSharedMemory", "segment", ["(opening:)", "(opening:), for writing", ".status"]),
    ] {
      let remedy = "the \(kind)'s owner and permissions do not let this user"
      for call in used { told.expect(type + call, .permissionDenied, remedy) }
      for call in [".setPermissions", ".remove"] { told.expect(type + call, .notPermitted, remedy) }
    }
    // The kernel asks for permission only when the queue is used.
    told.expect("SystemVMessageQueue(opening:)", nil)
    told.expect(
      "SystemVSharedMemory.lockInRAM", .notPermitted, "the segment's owner and permissions do not let this user")
  }

  @Test("what an ordinary user may have only so much of")
  func limits() throws {
    let told = try Refusals.run("refusals-of-user-limits")
    told.expect("Pipe.setCapacity", .notPermitted, "1073741824 is above fs.pipe-max-size (")
    if !Sanitizer.isPresent {
      told.expect("Mapping.lockInRAM, some", .noMemory, "pass RLIMIT_MEMLOCK (4096); raise it with ulimit -l")
      told.expect("Mapping.lockInRAM, none", .notPermitted, "pass RLIMIT_MEMLOCK (0); raise it with ulimit -l")
    }
    told.expect("SystemVSharedMemory.lockInRAM, some", .noMemory, "raise RLIMIT_MEMLOCK (4096) with ulimit -l")
    told.expect("SystemVSharedMemory.lockInRAM, none", .notPermitted, "raise RLIMIT_MEMLOCK (0) with ulimit -l")
    told.expect("SystemVSharedMemory(hugePages:)", .notPermitted, "the user's group has to be vm.hugetlb_shm_group")
    told.expect("SystemVMessageQueue.setMaximumBytes", .notPermitted, "kernel.msgmnb (")
    told.expect(
      "ForkedProcess", .resourceTemporarilyUnavailable, "this user may have no more processes; raise ulimit -u")
    told.expect(
      "MessageSocket.send(passing:)", .tooManyReferences, "more descriptors are on their way than RLIMIT_NOFILE (64)")
  }
}
