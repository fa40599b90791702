import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Pipes, files, memory, counters, locks and processes with Python at the other end; sockets with it are in the tests of
/// sockets.
@Suite(
  "Python at the other end of descriptors and paths", .blocking,
  .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
struct PythonStreamPeerTests {
  private func inherited(_ index: CInt) -> String { "\(Command.firstPassedDescriptor + index)" }

  @Test("Python writes into a pipe that Swift reads, and reads one that Swift writes")
  func pipes() throws {
    var pipe = try Pipe()
    try PythonPeer.run("fd_write", inherited(0), "from Python", passing: [pipe.writer.descriptor.rawValue])
    let text = try pipe.reader.read(upTo: 100, timeout: generous)
    #expect(text == Array("from Python".utf8))
    try pipe.writer.write(Array("from Swift".utf8))
    try pipe.writer.close()
    #expect(try PythonPeer.run("fd_read", inherited(0), passing: [pipe.reader.descriptor.rawValue]) == "from Swift")
  }

  @Test("Python and Swift open a FIFO at either end, and wait for each other")
  func fifo() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let writing = PythonPeer.start("path_write", path.string, "from Python")
    let text = try NamedPipe.Reader(opening: path, timeout: generous).read(exactly: 11, timeout: generous)
    #expect(text == Array("from Python".utf8))
    _ = try writing.value()
    // Another FIFO: a program that another test is just starting may hold the end that was read from here, and would pass
    // for the reader.
    let back = directory.path.appending("back")
    try NamedPipe.create(at: back)
    let reading = PythonPeer.start("path_read", back.string)
    try NamedPipe.Writer(opening: back, timeout: generous).write(Array("from Swift".utf8), timeout: generous)
    #expect(try reading.value() == "from Swift")
  }

  @Test("Python sees in a mapped file what Swift wrote, and Swift what Python wrote")
  func mappedFile() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    var file = try MappedFile(creating: path, byteCount: 10_000)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 42, toByteOffset: 9_000, as: UInt8.self)
    #expect(try PythonPeer.run("path_exchange", path.string, "9000", "43") == "42")
    let found = file.mapping.bytes.unsafeLoad(fromByteOffset: 9_000, as: UInt8.self)
    #expect(found == 43)
  }

  @Test("Python maps a memfd that it was handed, and finds its seals")
  func anonymousMemory() throws {
    var memory = try AnonymousMemory(byteCount: 5_000)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 7, toByteOffset: 4_999, as: UInt8.self)
    let descriptor = memory.descriptor.rawValue
    #expect(try PythonPeer.run("fd_exchange", inherited(0), "4999", "8", passing: [descriptor]) == "7")
    let found = memory.mapping.bytes.unsafeLoad(fromByteOffset: 4_999, as: UInt8.self)
    #expect(found == 8)
    #expect(try PythonPeer.run("fd_seals", inherited(0), passing: [descriptor]) == "shrink grow")
  }

  @Test("Python adds to a counter that Swift takes from, and takes what Swift has added")
  func counter() throws {
    let counter = try EventCounter()
    let descriptor = counter.descriptor.rawValue
    try PythonPeer.run("counter_add", inherited(0), "5", passing: [descriptor])
    let taken = try counter.take(timeout: generous)
    #expect(taken == 5)
    try counter.add(3)
    #expect(try PythonPeer.run("counter_take", inherited(0), passing: [descriptor]) == "3")
  }

  @Test("Python's locks and Swift's exclude each other")
  func fileLock() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("lock")
    let lock = try FileLock(creatingIfAbsent: path)
    var held = try lock.acquire()
    #expect(try PythonPeer.run("lock_try", path.string) == "held")
    try held.release()
    #expect(try PythonPeer.run("lock_try", path.string) == "free")

    var until = try Pipe()
    let said = try Pipe()
    let passed = [until.reader.descriptor.rawValue, said.writer.descriptor.rawValue]
    let holding = Background {
      try PythonPeer.run("lock_hold", path.string, "\(Command.firstPassedDescriptor)", passing: passed)
    }
    let word = try said.reader.read(exactly: 4, timeout: generous)
    #expect(word == Array("held".utf8))
    let refused = try lock.tryAcquire() == nil
    #expect(refused)
    try until.writer.close()
    _ = try lock.acquire(timeout: generous)
    _ = try holding.value()
  }

  @Test("Python kills, and waits for, the process that a handle of Swift's refers to")
  func process() throws {
    let child = try Command.start("/bin/sleep", ["60"])
    let handle = try ProcessHandle(of: child)
    let descriptor = handle.descriptor.rawValue
    try PythonPeer.run("process_kill", inherited(0), passing: [descriptor])
    #expect(try PythonPeer.run("process_wait", inherited(0), passing: [descriptor]) == "ended")
    try handle.wait(timeout: generous)
    var status: CInt = 0
    waitpid(child, &status, 0)
    #expect(status & 0x7f == SIGKILL)
  }
}
