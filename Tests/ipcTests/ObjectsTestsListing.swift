import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@testable import ipc

@Suite("ipc ls", .blocking, .queues())
struct ObjectsTestsListing {
  @Test("what nobody holds is stale, in the table and in JSON", arguments: ObjectKind.knownStale)
  func stale(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    let table = try runIPC("ls", object.text)
    #expect(table.exitCode == 0)
    #expect(table.lines.count == 2)
    #expect(table.lines.last?.hasPrefix(kind.rawValue) == true)
    #expect(table.lines.last?.hasSuffix("  stale") == true)
    let json = try runIPC("ls", "--json", object.text)
    #expect(json.lines.count == 1)
    #expect(json.output.contains(#""holders":[],"stale":true,"#))
  }

  @Test("a System V queue is stale where every process is seen, and those that used it have ended")
  func staleQueue() throws {
    let text = """
             key      msqid perms      cbytes       qnum lspid lrpid
      1885929473 2147483600   600           1          1     0     0
      1885929474 2147483601   600           1          1 4194303     0
      1885929475 2147483602   600           1          1 \(getpid())     0
      """
    func holders(in namespace: String?) -> [ObjectHolders] {
      let processes = ProcessTable(lookingFor: .init(), namespace: namespace)
      return SystemVTable(parsing: text).rows.map { ListedObject(queue: $0, processes).holders }
    }
    #expect(holders(in: "pid:[4026531836]") == [.unrecorded, .nobody, .processes([getpid()])])
    #expect(holders(in: "pid:[4026532000]") == [.unseen, .unseen, .processes([getpid()])])
    #expect(holders(in: nil) == [.unseen, .unseen, .processes([getpid()])])
  }

  @Test(
    "in a container, whose queues another one may share, who waits is seen, and none is stale",
    .enabled(if: Isolated.isAvailable, "\(Isolated.absence)"))
  func queueOfContainer() throws {
    let ipc = Package.program("ipc")
    let steps = """
      \(ipc) send system-v-message-queue:0x70690001 x --create
      \(ipc) ls --json system-v-message-queue
      python3 -c 'import ctypes; c = ctypes.CDLL(None); c.msgrcv(c.msgget(0x70690001, 0), bytes(64), 8, 99, 0)' &
      sleep 0.5
      \(ipc) ls system-v-message-queue
      kill -9 $!
      wait
      \(ipc) rm --stale --yes system-v-message-queue
      \(ipc) rm --force --yes system-v-message-queue:0x70690001
      """
    let run = try Isolated.run(["sh", "-c", steps])
    #expect(run.output.first?.contains("\"holders\":null,\"stale\":false") == true, "\(run)")
    #expect(run.output.contains { $0.hasSuffix(" python3") }, "\(run)")
    #expect(run.output.suffix(2) == ["nothing is stale", "removed system-v-message-queue:0x70690001"], "\(run)")
    #expect(run.errors.contains("processes outside this container cannot be seen"), "\(run)")
    #expect(run.left.isEmpty, "\(run)")
  }

  @Test("what another process holds is listed with it, and is not stale", arguments: ObjectKind.listed)
  func held(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    try object.whileHeld { holder in
      let json = try runIPC("ls", "--json", object.text)
      #expect(json.output.contains("\"holders\":[\(holder)],\"stale\":false,"), "\(json.output) \(json.errors)")
      #expect(try runIPC("ls", object.text).output.contains("\(holder) python3"))
    }
  }

  @Test("an inherited descriptor holds memory and queues, whatever the program")
  func inherited() throws {
    let memory = try TestObject(stale: .posixSharedMemory)
    guard case .name(let name) = memory.address.place else { return }
    _ = try runProgram(["sh", "-c", "exec sleep 60 < /dev/shm\(name)"]) { holder in
      try wait { holder.processName == "sleep" }
      let run = try runIPC("ls", "--json", memory.text)
      #expect(run.output.contains("\"holders\":[\(holder)]"))
      kill(holder, SIGKILL)
    }
  }

  @Test("JSON has what each kind has, with its units")
  func details() throws {
    let user = try runProgram(["id", "-un"]).lines.first ?? ""
    let queue = try TestObject(stale: .posixMessageQueue)
    let queueLine = try runIPC("ls", "--json", queue.text).output
    #expect(queueLine.contains(#""owner":"\#(user)","mode":"0600","bytes":5,"messages":1,"#), "\(queueLine)")
    let memory = try TestObject(stale: .posixSharedMemory)
    let memoryLine = try runIPC("ls", "--json", memory.text).output
    #expect(memoryLine.contains(#""mode":"0600","bytes":8192,"messages":null,"#), "\(memoryLine)")
    let systemV = try TestObject(stale: .systemVMessageQueue)
    let systemVLine = try runIPC("ls", "--json", systemV.text).output
    guard case .key(let key) = systemV.address.place else { return }
    #expect(systemVLine.contains(#"{"kind":"system-v-message-queue","key":"\#(key)","id":"#), "\(systemVLine)")
    #expect(systemVLine.contains(#""bytes":3,"messages":1,"#), "\(systemVLine)")
  }

  @Test("the time of the last change is in seconds since 1970", arguments: ObjectKind.listed)
  func modified(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    let line = try runIPC("ls", "--json", object.text).output
    let digits = try #require(line.split(separator: "\"modified\":").last).prefix { $0.isNumber }
    let seconds = try #require(Int(digits))
    #expect(abs(seconds - time(nil)) < 60)
  }

  @Test("everything is listed with no arguments, and is JSON")
  func everything() throws {
    let queue = try TestObject(stale: .posixMessageQueue)
    let set = try TestObject(stale: .systemVSemaphore)
    let json = try runIPC("ls", "--json")
    #expect(json.exitCode == 0)
    for object in [queue.address, set.address] {
      let place = String(object.description.dropFirst(object.kind.rawValue.count + 1))
      #expect(json.output.contains("\"\(place)\""))
    }
    let check = "import json, sys; [json.loads(line) for line in open(sys.argv[1])]"
    let file = try TemporaryFile(prefix: "ipc-test")
    try file.write(Array(json.output.utf8))
    #expect(try runProgram(["python3", "-c", check, file.path.string]).exitCode == 0)
  }

  @Test("a kind lists that kind only")
  func oneKind() throws {
    let memory = try TestObject(stale: .posixSharedMemory)
    let semaphore = try TestObject(stale: .posixSemaphore)
    let run = try runIPC("ls", "--json", "posix-shared-memory")
    #expect(run.lines.allSatisfy { $0.hasPrefix(#"{"kind":"posix-shared-memory","#) })
    #expect(run.output.contains(memory.text.split(separator: "/").last ?? "?"))
    #expect(!run.output.contains(semaphore.text.split(separator: "/").last ?? "?"))
  }

  @Test("a queue that a process waits on is not stale, though nothing was ever sent")
  func waitedFor() throws {
    let queue = try SystemVMessageQueue()
    let address = "system-v-message-queue:id=\(queue.id)"
    defer { try? queue.remove() }
    // Never used: nobody knows, and so it is not called stale.
    #expect(try runIPC("ls", "--json", address).output.contains(#""holders":null,"stale":false"#))
    let steps = "import ctypes; ctypes.CDLL(None).msgrcv(\(queue.id), bytes(64), 8, 0, 0)"
    _ = try runProgram(["python3", "-c", steps]) { waiter in
      try wait { try runIPC("ls", "--json", address).output.contains("\"holders\":[\(waiter)],\"stale\":false") }
      kill(waiter, SIGKILL)
    }
  }

  @Test("what is held where no process shows it is not stale")
  func onItsWay() throws {
    let memory = try TestObject(stale: .posixSharedMemory)
    guard case .name(let name) = memory.address.place else { return }
    // A descriptor that was sent and not yet received is nobody's.
    let steps = """
      import os, socket, time
      a, b = socket.socketpair()
      f = os.open('/dev/shm\(name)', os.O_RDWR)
      socket.send_fds(a, [b'x'], [f])
      os.close(f)
      """
    try whileUp(python: steps) { _ in
      let listed = try runIPC("ls", "--json", memory.text)
      #expect(listed.output.contains("\"holders\":null,\"stale\":false"))
      let refused = try runIPC("rm", memory.text)
      #expect(refused.errors.contains("--force"))
      #expect(memory.exists)
    }
  }

  @Test(
    "what this user cannot see is said, and not called stale",
    .enabled(if: geteuid() == 0, "another user takes root to become"),
    arguments: [
      ObjectKind.posixMessageQueue, .posixSharedMemory, .posixSemaphore, .systemVMessageQueue, .systemVSemaphore,
    ])
  func unseen(kind: ObjectKind) throws {
    let object = try TestObject(stale: kind)
    // Where the tool was built that user may not go.
    let copy = try TemporaryFile(prefix: "ipc-test")
    let installed = try runProgram(["install", "-m", "755", Package.program("ipc"), copy.path.string])
    try #require(installed.exitCode == 0)
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy.path.string]
    if kind == .posixMessageQueue, try !ProcFile.text(of: "/proc/mounts").contains(" mqueue ") {
      let all = try runProgram(nobody + ["ls", kind.rawValue])
      #expect(all.errors.contains("only root may list them where no mqueue filesystem is mounted"))
    }
    let run = try runProgram(nobody + ["ls", "--json", object.text])
    #expect(run.output.contains("\"holders\":null,\"stale\":false"), "\(run.errors)")
    #expect(run.errors.contains("cannot be seen: holders may be missing; see them with sudo"))
    let refused = try runProgram(nobody + ["rm", object.text])
    #expect(refused.exitCode == 1)
    #expect(refused.errors.contains("\(object.text): not removed, somebody whom this user cannot see may hold it"))
    #expect(object.exists)
    withExtendedLifetime(copy) {}
  }

  /// It creates one to learn where queues are, unless a mounted directory shows it.
  @Test(
    "a user who may create no queue sees those that a mounted directory lists, or is told that some may be missing",
    .enabled(if: geteuid() == 0 && Isolated.isAvailable, "\(Isolated.absence)"), arguments: [true, false])
  func withoutRoom(mounted: Bool) throws {
    let copy = try TemporaryFile(prefix: "ipc-test")
    let installed = try runProgram(["install", "-m", "755", Package.program("ipc"), copy.path.string])
    try #require(installed.exitCode == 0)
    let steps = """
      \(mounted ? "" : "umount /dev/mqueue;") \(copy.path.string) send posix-message-queue:/left x --create
      exec setpriv --reuid=65534 --regid=65534 --clear-groups prlimit --msgqueue=0:0 \(copy.path.string) ls \
        posix-message-queue
      """
    let run = try Isolated.run(["sh", "-c", steps])
    #expect(run.exitCode == 0, "\(run)")
    #expect(run.output.contains { $0.contains(" /left ") } == mounted, "\(run)")
    #expect(run.errors.contains("cannot be seen: only root may list them") == !mounted, "\(run)")
  }

  @Test("output that cannot be written is an error")
  func fullOutput() throws {
    let object = try TestObject(stale: .posixSemaphore)
    let run = try runProgram(["sh", "-c", "exec \"$0\" ls \"$1\" > /dev/full", Package.program("ipc"), object.text])
    #expect(run.exitCode == 1)
    #expect(run.errors.contains("write(standard output): No space left on device"))
  }

  @Test("a socket is found by any spelling of its path, and abstract ones by their name")
  func socketPaths() throws {
    let socket = try TestObject(stale: .unixSocket)
    guard case .name(let path) = socket.address.place else { return }
    try socket.whileHeld { holder in
      let run = try runIPC("ls", "--json", "unix-socket:/tmp/.." + path)
      #expect(run.output.contains("\"holders\":[\(holder)]"))
    }
    let name = "ipc-test\(Unique.name())"
    let listener = try UnixListener(at: .abstract(name))
    let run = try runIPC("ls", "--json", "unix-socket:@\(name)")
    #expect(run.output.contains("\"name\":\"@\(name)\""))
    #expect(run.output.contains("\"mode\":null"))
    #expect(run.output.contains("\"holders\":[\(getpid())]"))
    withExtendedLifetime(listener) {}
  }

  @Test("an address of nothing is an error that names it, and the others are listed")
  func unknown() throws {
    let memory = try TestObject(stale: .posixSharedMemory)
    let run = try runIPC("ls", "posix-semaphore:/ipc-test-none", memory.text)
    #expect(run.exitCode == 1)
    #expect(run.errors.contains("ipc: posix-semaphore:/ipc-test-none: there is no such object"))
    #expect(run.lines.count == 2)
  }

  @Test("an unknown kind is an error that suggests the nearest one")
  func unknownKind() throws {
    let run = try runIPC("ls", "posix-semafore")
    #expect(run.exitCode == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.contains("did you mean posix-semaphore?"))
    #expect(run.errors.split(separator: "\n").count == 1)
    #expect(try runIPC("ls", "socket").errors.contains("did you mean unix-socket?"))
    // Nothing is like it.
    let strange = try runIPC("ls", "nope")
    #expect(strange.exitCode == 64 && !strange.errors.contains("did you mean"), "\(strange.errors)")
  }

  @Test("whoever reads no more of the output is no error")
  func nobodyReads() throws {
    let run = try Command.run(
      "/bin/sh", ["-c", "{ sleep 0.2; \"$0\" limits; echo $? >&2; } | true", Package.program("ipc")])
    #expect(run.errors == "141\n")
  }
}
