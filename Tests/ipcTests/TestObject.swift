import Glibc
import Interprocess
import SystemPackage
import Testing

@testable import ipc

/// A name that no other test, and nobody else, uses.
func uniqueName() -> String {
  "/ipc-test-\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
}

func uniqueKey() throws -> SystemVKey {
  try #require(SystemVKey(exactly: UInt32.random(in: 1 ... .max)))
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
      let name = uniqueName()
      let queue = try POSIXMessageQueue(creating: name, maximumMessages: 3, maximumMessageSize: 16)
      try queue.send(Array("hello".utf8))
      self.init(kind, .name(name)) { try? POSIXMessageQueue.unlink(name) }
    case .posixSharedMemory:
      let name = uniqueName()
      _ = try POSIXSharedMemory(creating: name, byteCount: 8192)
      self.init(kind, .name(name)) { try? POSIXSharedMemory.unlink(name) }
    case .posixSemaphore:
      let name = uniqueName()
      _ = try POSIXSemaphore(creating: name, value: 1)
      self.init(kind, .name(name)) { try? POSIXSemaphore.unlink(name) }
    case .systemVMessageQueue:
      let key = try uniqueKey()
      let id = try SystemVMessageQueue(creating: key).id
      self.init(kind, .key(key)) { try? SystemVMessageQueue(id: id).remove() }
      // Somebody who lives no more used it last.
      try Self.call("msgsnd(\(id), b'\\1' + bytes(7) + b'abc', 3, 0)")
    case .systemVSharedMemory:
      let key = try uniqueKey()
      let id = try SystemVSharedMemory(creating: key, byteCount: 4096).id
      self.init(kind, .key(key)) { try? SystemVSharedMemory.remove(id: id) }
    case .systemVSemaphore:
      let key = try uniqueKey()
      let id = try SystemVSemaphoreSet(creating: key, values: [1]).id
      self.init(kind, .key(key)) { try? SystemVSemaphoreSet.remove(id: id) }
      try Self.call("semop(\(id), bytes([0, 0, 1, 0, 0, 0]), 1)")
    case .unixSocket, .namedPipe:
      let path = FilePath("/tmp").appending(String(uniqueName().dropFirst()))
      _ = try UnixListener(at: .path(path))
      self.init(.unixSocket, .name(path.string)) { try? UnixListener.unlink(path) }
    }
  }

  private init(_ kind: ObjectKind, _ place: ObjectAddress.Place, cleanUp: @escaping () -> Void) {
    address = ObjectAddress(kind: kind, place: place)
    self.cleanUp = cleanUp
  }

  private static func call(_ call: String) throws {
    let run = try Run.python("import ctypes; assert ctypes.CDLL(None).\(call) == 0")
    try #require(run.exitCode == 0, "\(run.errors)")
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
    let script = "import ctypes, os; c = ctypes.CDLL(None)\n\(steps)\nos.write(1, b'up')"
    try ChildProgram.whileUp(python: script, body)
  }
}

extension ChildProgram {
  /// Calls `body` while a process is there that has done what `script` says; the script's last step is to write `up`.
  static func whileUp(python script: String, _ body: (_ process: pid_t) throws -> Void) throws {
    var pipe = try Pipe()
    let program = try ChildProgram(
      ["python3", "-c", script + "\nimport time; time.sleep(60)"],
      descriptors: [STDERR_FILENO, pipe.writer.descriptor.rawValue, STDERR_FILENO])
    try pipe.writer.close()
    let word = try pipe.reader.read(upTo: 2, timeout: .seconds(10))
    try #require(word == Array("up".utf8), "the process did not come up: \(script)")
    // It ends with its last use.
    try withExtendedLifetime(program) { try body(program.id) }
  }
}
