import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@testable import ipc

@Suite("ipc limits", .blocking, .queues())
struct ObjectsTestsLimits {
  @Test("a segment of any size does not hurt it")
  func giantSegment() throws {
    let noReserve: CInt = 0o10000
    let id = shmget(IPC_PRIVATE, Int.max, IPC_CREAT | noReserve | 0o600)
    try #require(id >= 0)
    defer { shmctl(id, IPC_RMID, nil) }
    let run = try runIPC("limits", "--json")
    #expect(run.exitCode == 0 && run.lines.count > 10, "\(run)")
  }

  @Test("every limit is shown with its effect")
  func table() throws {
    let run = try runIPC("limits")
    #expect(run.exitCode == 0)
    for name in [
      "fs.mqueue.msg_max", "kernel.msgmax", "kernel.sem SEMOPM", "kernel.shmmni", "RLIMIT_MSGQUEUE", "RLIMIT_NOFILE",
      "fs.pipe-max-size", "net.core.somaxconn", "/dev/shm",
    ] {
      #expect(run.lines.contains { $0.hasPrefix("\(name) ") }, "\(name)")
    }
    #expect(run.output.contains("mq_open: EMFILE"))
    #expect(run.output.contains("sudo sysctl fs.mqueue.msg_max="))
  }

  @Test("what is used is counted")
  func used() throws {
    let set = try SystemVSemaphoreSet(values: [UInt16](repeating: 0, count: 7))
    defer { try? set.remove() }
    let memory = try TestObject(stale: .posixSharedMemory)
    let limits = KernelLimit.all()
    #expect(limits.first { $0.name == "kernel.sem SEMMSL" }?.used ?? 0 >= 7)
    #expect(limits.first { $0.name == "kernel.sem SEMMNI" }?.used ?? 0 >= 1)
    #expect(limits.first { $0.name == "/dev/shm" }?.used ?? 0 >= 8192)
    #expect(limits.first { $0.name == "RLIMIT_NOFILE" }?.used ?? 0 >= 3)
    withExtendedLifetime(memory.address) {}
  }

  @Test(
    "a queue is charged to its user as the kernel charges it", .enabled(if: geteuid() == 0, "only root lists queues"))
  func charge() throws {
    let name = Unique.name()
    let queue = try POSIXMessageQueue(creating: name, maximumMessages: 10, maximumMessageSize: 8192)
    defer { try? POSIXMessageQueue.unlink(name) }
    // The kernel refuses this queue where RLIMIT_MSGQUEUE is one byte less (tried).
    #expect(MessageQueueUsage().bytesOfUser ?? 0 >= 82880)
    withExtendedLifetime(queue.maximumMessages) {}
  }

  @Test("a limit doubles, up to what the kernel takes, and one that is none is not raised")
  func remedies() {
    func limit(_ value: Int?) -> KernelLimit { KernelLimit("x", value, most: 100, used: nil, "") { "raise \($0)" } }
    #expect(limit(10).remedy == "raise 20")
    #expect(limit(60).remedy == "raise 100")
    #expect(limit(100).remedy == nil)
    #expect(limit(nil).remedy == nil)
    #expect(limit(.max).value == nil)
  }

  @Test(
    "RemoveIPC is read as systemd reads it",
    arguments: [
      ("", nil), ("[Login]\n#RemoveIPC=no", nil), ("[Login]\nRemoveIPC=no", false),
      ("[Login]\n RemoveIPC = Off \n", false),
      ("[Other]\nRemoveIPC=no", nil), ("[Login]\nRemoveIPC=no\nRemoveIPC=1", true), ("[Login]\nRemoveIPC=maybe", nil),
    ] as [(String, Bool?)])
  func setting(text: String, value: Bool?) {
    #expect(LogoutCleanup.setting(in: text) == value)
  }

  @Test("where systemd-logind runs, one line warns of what it removes at logout")
  func warning() throws {
    // By its name it is told.
    let steps = "import ctypes, os; ctypes.CDLL(None).prctl(15, b'systemd-logind')"
    try whileUp(python: steps) { _ in
      let run = try runIPC("limits")
      let isWarned = run.errors.split(separator: "\n").contains { $0.contains("RemoveIPC=no") }
      #expect(isWarned == LogoutCleanup().isOn)
    }
  }

  @Test("a drop-in has the last word, and /etc hides the file of the same name elsewhere")
  func dropIns() throws {
    let root = try runProgram(["mktemp", "-d"]).lines.first.map { FilePath(String($0)) }
    let folder = try #require(root)
    defer { _ = try? runProgram(["rm", "-r", folder.string]) }
    #expect(LogoutCleanup(root: folder).isOn)
    func write(_ path: String, _ setting: String) throws {
      let file = folder.appending(path)
      let run = try runProgram([
        "sh", "-c", "mkdir -p \"$(dirname \"$0\")\" && printf '[Login]\\nRemoveIPC=%s\\n' \"$1\" > \"$0\"", file.string,
        setting,
      ])
      try #require(run.exitCode == 0)
    }
    try write("usr/lib/systemd/logind.conf", "yes")
    try write("etc/systemd/logind.conf", "no")
    #expect(!LogoutCleanup(root: folder).isOn)
    try write("usr/lib/systemd/logind.conf.d/10.conf", "yes")
    #expect(LogoutCleanup(root: folder).isOn)
    try write("etc/systemd/logind.conf.d/10.conf", "no")
    #expect(!LogoutCleanup(root: folder).isOn)
    try write("run/systemd/logind.conf.d/20.conf", "yes")
    #expect(LogoutCleanup(root: folder).isOn)
  }
}
