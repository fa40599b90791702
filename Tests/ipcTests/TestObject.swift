import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@testable import ipc

/// Runs the tool.
func runIPC(_ arguments: String...) throws -> Command {
  try Command.run(Package.program("ipc"), arguments)
}

/// Runs a program found along PATH.
func runProgram(_ words: [String], whileRunning: (pid_t) throws -> Void = { _ in }) throws -> Command {
  try Command.run("/usr/bin/env", words, whileRunning: whileRunning)
}

/// Waits until something holds.
func wait(until condition: () throws -> Bool) throws {
  let deadline = ContinuousClock.now + generous
  while try !condition() {
    if ContinuousClock.now > deadline { throw Command.Failure("still waiting after \(generous)") }
    usleep(5_000)
  }
}

/// Calls `body` while a program runs that does what `script` says and then waits, and kills it then.
func whileUp(python script: String, _ body: (_ process: pid_t) throws -> Void) throws {
  // It goes once the script has done its steps.
  let marker = try TemporaryFile(prefix: "ipc-test")
  let path = marker.path.string
  _ = try runProgram(["python3", "-c", "\(script)\nimport os, time; os.unlink('\(path)'); time.sleep(60)"]) { process in
    try wait { access(path, F_OK) == -1 }
    try body(process)
    kill(process, SIGKILL)
  }
}

extension ObjectKind {
  /// The kinds of which this machine shows that nobody holds an object. Who waits for a System V queue is known where
  /// every process can be looked into, which a container may not allow even root.
  static let knownStale = listed.filter { kind in
    var search = ProcessTable.Search()
    search.waits = true
    return kind != .systemVMessageQueue || ProcessTable(lookingFor: search).seesAllWaits
  }
}

/// An object of a kind that a test made and nobody holds; it goes with the test.
final class TestObject {
  let address: ObjectAddress
  private let cleanUp: () -> Void

  var text: String { address.description }

  var exists: Bool { ObjectListing([.address(address)]).object(at: address) != nil }

  deinit { cleanUp() }

  convenience init(stale kind: ObjectKind) throws {
    switch kind {
    case .posixMessageQueue:
      let name = Unique.name()
      let queue = try POSIXMessageQueue(creating: name, maximumMessages: 3, maximumMessageSize: 16)
      try queue.send(Array("hello".utf8))
      self.init(kind, .name(name)) { try? POSIXMessageQueue.unlink(name) }
    case .posixSharedMemory:
      let name = Unique.name()
      _ = try POSIXSharedMemory(creating: name, byteCount: 8192)
      self.init(kind, .name(name)) { try? POSIXSharedMemory.unlink(name) }
    case .posixSemaphore:
      let name = Unique.name()
      _ = try POSIXSemaphore(creating: name, value: 1)
      self.init(kind, .name(name)) { try? POSIXSemaphore.unlink(name) }
    case .systemVMessageQueue:
      let key = try #require(SystemVKey(rawValue: Unique.key()))
      let id = try SystemVMessageQueue(creating: key).id
      self.init(kind, .key(key)) { try? SystemVMessageQueue(id: id).remove() }
      // Somebody who lives no more used it last.
      try Self.call("msgsnd(\(id), b'\\1' + bytes(7) + b'abc', 3, 0)")
    case .systemVSharedMemory:
      let key = try #require(SystemVKey(rawValue: Unique.key()))
      let id = try SystemVSharedMemory(creating: key, byteCount: 4096).id
      self.init(kind, .key(key)) { try? SystemVSharedMemory.remove(id: id) }
    case .systemVSemaphore:
      let key = try #require(SystemVKey(rawValue: Unique.key()))
      let id = try SystemVSemaphoreSet(creating: key, values: [1]).id
      self.init(kind, .key(key)) { try? SystemVSemaphoreSet.remove(id: id) }
      try Self.call("semop(\(id), bytes([0, 0, 1, 0, 0, 0]), 1)")
    case .unixSocket, .namedPipe:
      let path = FilePath("/tmp").appending(String(Unique.name().dropFirst()))
      _ = try UnixListener(at: .path(path))
      self.init(.unixSocket, .name(path.string)) { try? UnixListener.unlink(path) }
    }
  }

  private init(_ kind: ObjectKind, _ place: ObjectAddress.Place, cleanUp: @escaping () -> Void) {
    address = ObjectAddress(kind: kind, place: place)
    self.cleanUp = cleanUp
  }

  private static func call(_ call: String) throws {
    let python = try runProgram(["python3", "-c", "import ctypes; assert ctypes.CDLL(None).\(call) == 0"])
    try #require(python.exitCode == 0, "\(python.errors)")
  }

  /// Calls `body` while another process holds the object.
  func whileHeld(_ body: (_ holder: pid_t) throws -> Void) throws {
    let steps =
      switch (address.kind, address.place) {
      case (.posixMessageQueue, .name(let name)): "assert c.mq_open(b'\(name)', 0) >= 0"
      case (.posixSharedMemory, .name(let name)):
        "import mmap; f = open('/dev/shm\(name)', 'r+b'); m = mmap.mmap(f.fileno(), 4096); f.close()"
      case (.posixSemaphore, .name(let name)):
        "c.sem_open.restype = ctypes.c_void_p; assert c.sem_open(b'\(name)', 0)"
      case (.systemVSharedMemory, .key(let key)):
        "c.shmat.restype = ctypes.c_long; assert c.shmat(c.shmget(\(key.rawValue), 0, 0), None, 0) != -1"
      case (.systemVMessageQueue, .key(let key)):
        "assert c.msgsnd(c.msgget(\(key.rawValue), 0), b'\\1' + bytes(7) + b'abc', 3, 0) == 0"
      case (.systemVSemaphore, .key(let key)):
        "assert c.semop(c.semget(\(key.rawValue), 0, 0), bytes([0, 0, 1, 0, 0, 0]), 1) == 0"
      case (_, .name(let path)):
        "import socket; os.unlink('\(path)'); s = socket.socket(socket.AF_UNIX); s.bind('\(path)'); s.listen()"
      default: "raise SystemExit('no such object')"
      }
    try whileUp(python: "import ctypes, os; c = ctypes.CDLL(None)\n\(steps)", body)
  }
}
