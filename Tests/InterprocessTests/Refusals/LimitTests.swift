import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals past a limit", .blocking, .queues())
struct LimitTests {
  @Test("a process without descriptors left is told so by everything that needs one")
  func descriptors() throws {
    let told = try Refusals.run("refusals-of-process-limits")
    let remedy = "this process may have no more descriptors; raise RLIMIT_NOFILE (3) with ulimit -n"
    for label in [
      "Pipe", "NamedPipe.Reader(opening:)", "SocketPair", "UnixListener(at:)", "UnixListener.accept",
      "UnixSocket(connectingTo:)", "POSIXSemaphore(creating:)", "POSIXSharedMemory(creating:)", "AnonymousMemory",
      "MappedFile(opening:)", "FileLock(opening:)", "TemporaryFile", "EventCounter", "ProcessHandle",
    ] { told.expect(label, .tooManyOpenFiles, remedy) }
    // The kernel drops descriptors that do not fit, and says so beside the message (MSG_CTRUNC).
    for label in ["UnixSocket.read(receiving:)", "MessageSocket.receive(receiving:)"] {
      told.expect(label, .tooManyOpenFiles, "the message came, and not all of its descriptors: \(remedy)")
    }
    told.expect("POSIXMessageQueue(creating:)", .tooManyOpenFiles, "or the process has no descriptor left")
  }

  @Test("a process's other limits are named")
  func others() throws {
    let told = try Refusals.run("refusals-of-process-limits")
    told.expect(
      "POSIXMessageQueue(creating:), RLIMIT_MSGQUEUE", .tooManyOpenFiles,
      "this user's queues would take more than RLIMIT_MSGQUEUE (1000 bytes)")
    told.expect(
      "MappedFile(creating:), RLIMIT_FSIZE", .fileTooLarge, "1048576 bytes are more than a file may have")
  }

  @Test(
    "a mapping that finds no room among the addresses says so",
    .disabled(if: Sanitizer.isPresent, "\(Sanitizer.absence)"))
  func addresses() throws {
    let told = try Refusals.run("refusal-of-addresses")
    told.expect("MappedFile(opening:), RLIMIT_AS", .noMemory, "there is no room for it among this process's addresses")
  }

  @Test("each kernel parameter that is in the way is named", .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func kernel() throws {
    let parameters = [
      "kernel.msgmni=1", "kernel.msgmax=100", "kernel.sem=20 100 10 1", "kernel.shmmni=1", "kernel.shmmax=100000",
      "kernel.shmall=2", "fs.mqueue.queues_max=0",
    ]
    let run = try Isolated.run(
      [Refusals.helper, "refusals-of-kernel-limits"], options: parameters.flatMap { ["--sysctl", $0] })
    let told = Refusals(run.output)
    told.expect(
      "SystemVMessageQueue", .noSpace, "the machine has kernel.msgmni (1) queues; remove some, ipcs -q lists them")
    told.expect("SystemVMessageQueue.send", .invalidArgument, "the message has 101 bytes, above kernel.msgmax (100)")
    told.expect(
      "SystemVSemaphoreSet", .noSpace, "as many semaphores or sets as kernel.sem allows; remove some, ipcs -s")
    told.expect(
      "SystemVSemaphoreSet, large", .invalidArgument, "21 semaphores are more than the set has, or than kernel.sem")
    told.expect("SystemVSemaphoreSet.perform", .argListTooLong, "more operations at once than kernel.sem allows")
    told.expect(
      "SystemVSharedMemory", .noSpace, "the machine has kernel.shmmni (1) segments or kernel.shmall (2) pages")
    told.expect("SystemVSharedMemory, pages", .noSpace, "kernel.shmall (2) pages; remove some, ipcs -m lists them")
    told.expect(
      "SystemVSharedMemory, large", .invalidArgument,
      "100001 bytes are more than the segment has, or than kernel.shmmax (100000)")
    told.expect("POSIXMessageQueue", .noSpace, "the machine has fs.mqueue.queues_max (0) queues; unlink some")
    #expect(run.exitCode == 0 && run.left.isEmpty, "\(run)")
  }

  @Test("a full /dev/shm is an error and no SIGBUS", .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func fullMemory() throws {
    let run = try Isolated.run([Refusals.helper, "refusals-of-full-memory"], options: ["--shm", "16k"])
    let told = Refusals(run.output)
    for label in [
      "POSIXSharedMemory(creating:)", "POSIXSharedMemory(creatingIfAbsent:)", "POSIXSharedMemory.resize",
      "MappedFile(creating:)",
    ] { told.expect(label, .noSpace, "no room for 1048576 bytes; df tells how full it is") }
    told.expect("POSIXSemaphore(creating:)", .noSpace, "/dev/shm is full")
    told.expect("TemporaryFile.write", .noSpace)
    #expect(told.reason("size after resize") == 0, "memory that could not grow has its old size")
    #expect(run.exitCode == 0 && run.left.isEmpty, "\(run)")
  }

  @Test("memory is made of huge pages", .enabled(if: HugePagesLease.isPossible, "\(HugePagesLease.absence)"))
  func hugePages() throws {
    let lease = try #require(HugePagesLease())
    defer { lease.end() }
    let told = try Refusals.run("huge-pages")
    for (type, reason) in [("AnonymousMemory", Errno.noSpace), ("SystemVSharedMemory", .noMemory)] {
      told.expect("\(type)(hugePages:)", nil)
      #expect((told.reason("\(type) has") ?? 0) >= 2 << 20)
      told.expect("\(type)(hugePages:), too much", reason, "not so many huge pages are free; vm.nr_hugepages (")
    }
  }
}

/// A few huge pages set aside for as long as a test needs them.
private struct HugePagesLease {
  private static let file = "/proc/sys/vm/nr_hugepages"
  private let before: String

  static let isPossible: Bool = {
    let lease = HugePagesLease()
    lease?.end()
    return lease != nil
  }()

  /// Why the test that needs huge pages is skipped.
  static let absence = "skipped: needs the right to raise vm.nr_hugepages, and 8 MiB of memory in whole huge pages"

  init?() {
    guard let before = Self.content(), let number = Int(before), Self.write("\(number + 4)") else { return nil }
    self.before = before
    // The kernel sets aside what it finds, which may be less.
    guard let after = Self.content().flatMap({ Int($0) }), after >= number + 2 else {
      end()
      return nil
    }
  }

  func end() { _ = Self.write(before) }

  private static func content() -> String? {
    (try? Command.run("/bin/cat", [file]))?.lines.first
  }

  private static func write(_ text: String) -> Bool {
    (try? Command.run("/bin/sh", ["-c", "echo \(text) > \(file)"]))?.exitCode == 0
  }
}
