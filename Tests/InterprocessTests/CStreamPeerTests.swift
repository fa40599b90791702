import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

/// Pipes, sockets, files, memory and counters with a program in C at the other end.
@Suite("C at the other end of descriptors and paths", .blocking, .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
struct CStreamPeerTests {
  private func inherited(_ index: CInt) -> String { "\(Command.firstPassedDescriptor + index)" }

  @Test("C writes into a pipe that Swift reads, and reads one that Swift writes")
  func pipes() throws {
    let peer = try CPeer.streams.get()
    var pipe = try Pipe()
    try peer.run("write", inherited(0), "from C", passing: [pipe.writer.descriptor.rawValue])
    let text = try pipe.reader.read(upTo: 100, timeout: generous)
    #expect(text == Array("from C".utf8))
    try pipe.writer.write(Array("from Swift".utf8))
    try pipe.writer.close()
    #expect(try peer.run("read", inherited(0), passing: [pipe.reader.descriptor.rawValue]) == "from Swift")
  }

  @Test("C and Swift open a FIFO at either end, and wait for each other")
  func fifo() throws {
    let peer = try CPeer.streams.get()
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let writing = Background { try peer.run("write-path", path.string, "from C") }
    let text = try NamedPipe.Reader(opening: path, timeout: generous).read(exactly: 6, timeout: generous)
    #expect(text == Array("from C".utf8))
    _ = try writing.value()
    // Another FIFO: a program that another test is just starting may hold the end that was read from here, and would pass
    // for the reader.
    let back = directory.path.appending("back")
    try NamedPipe.create(at: back)
    let reading = Background { try peer.run("read-path", back.string) }
    try NamedPipe.Writer(opening: back, timeout: generous).write(Array("from Swift".utf8), timeout: generous)
    #expect(try reading.value() == "from Swift")
  }

  @Test("C connects to a stream socket of Swift's, and Swift to one of C's")
  func streams() throws {
    let peer = try CPeer.streams.get()
    let directory = try TemporaryDirectory()
    let (here, there) = (directory.path.appending("here"), directory.path.appending("there"))
    let listener = try UnixListener(at: .path(here))
    let client = Background { try peer.run("connect", here.string, "question") }
    let server = try listener.accept(timeout: generous)
    let question = try server.read(exactly: 8, timeout: generous)
    #expect(question == Array("question".utf8))
    let end = try server.read(upTo: 1, timeout: generous)
    #expect(end.isEmpty)
    try server.write(Array("answer".utf8), timeout: generous)
    try server.finishWriting()
    #expect(try client.value() == "answer")

    let serving = Background { try peer.run("serve", there.string) }
    let socket = try retrying { () throws(InterprocessError) in
      try UnixSocket(connectingTo: .path(there), timeout: generous)
    }
    try socket.write(Array("echo".utf8), timeout: generous)
    try socket.finishWriting()
    let echo = try socket.read(exactly: 4, timeout: generous)
    #expect(echo == Array("echo".utf8))
    _ = try serving.value()
  }

  @Test("C and Swift send each other datagrams")
  func datagrams() throws {
    let peer = try CPeer.streams.get()
    let directory = try TemporaryDirectory()
    let (here, there) = (directory.path.appending("here"), directory.path.appending("there"))
    let socket = try MessageSocket(boundTo: .path(here))
    try peer.run("send-datagram", here.string, "from C")
    let message = try socket.receive(upTo: 100, timeout: generous)
    #expect(message?.bytes == Array("from C".utf8))
    let receiving = Background { try peer.run("receive-datagram", there.string) }
    let sender = try MessageSocket()
    try retrying { () throws(InterprocessError) in
      try sender.send(Array("from Swift".utf8), to: .path(there), timeout: generous)
    }
    #expect(try receiving.value() == "from Swift")
  }

  /// Tries again while the other side has not bound its socket yet.
  private func retrying<Result: ~Copyable>(
    _ attempt: () throws(InterprocessError) -> Result
  ) throws(InterprocessError) -> Result {
    let deadline = ContinuousClock.now + generous
    while true {
      do throws(InterprocessError) {
        return try attempt()
      } catch {
        let isEarly = error.errno == .noSuchFileOrDirectory || error.errno == .connectionRefused
        if !isEarly || ContinuousClock.now > deadline { throw error }
        usleep(1000)
      }
    }
  }

  @Test("C sees in a mapped file what Swift wrote, and Swift what C wrote")
  func mappedFile() throws {
    let peer = try CPeer.streams.get()
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    var file = try MappedFile(creating: path, byteCount: 10_000)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 42, toByteOffset: 9_000, as: UInt8.self)
    #expect(try peer.run("exchange-path", path.string, "9000", "43") == "42")
    let found = file.mapping.bytes.unsafeLoad(fromByteOffset: 9_000, as: UInt8.self)
    #expect(found == 43)
  }

  @Test("C maps a memfd that it was handed")
  func anonymousMemory() throws {
    let peer = try CPeer.streams.get()
    var memory = try AnonymousMemory(byteCount: 5_000)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 7, toByteOffset: 4_999, as: UInt8.self)
    let descriptor = memory.descriptor.rawValue
    #expect(try peer.run("exchange", inherited(0), "4999", "8", passing: [descriptor]) == "7")
    let found = memory.mapping.bytes.unsafeLoad(fromByteOffset: 4_999, as: UInt8.self)
    #expect(found == 8)
  }

  @Test("C adds to a counter that Swift takes from, and takes what Swift has added")
  func counter() throws {
    let peer = try CPeer.streams.get()
    let counter = try EventCounter()
    let descriptor = counter.descriptor.rawValue
    let adding = Background { try peer.run("add", "\(Command.firstPassedDescriptor)", "5", passing: [descriptor]) }
    let taken = try counter.take(timeout: generous)
    #expect(taken == 5)
    _ = try adding.value()
    try counter.add(3)
    #expect(try peer.run("take", inherited(0), passing: [descriptor]) == "3")
  }

  @Test("C ends a process by a handle of Swift's, and Swift one by a handle of C's")
  func processHandle() throws {
    let peer = try CPeer.streams.get()
    _ = try Command.run("/bin/sleep", ["60"]) { process in
      let handle = try ProcessHandle(of: process)
      #expect(try peer.run("end-process", inherited(0), passing: [handle.descriptor.rawValue]) == "ended")
      #expect(try handle.hasEnded())
    }

    var pair = try SocketPair()
    let socket = pair.second.descriptor.rawValue
    let sending = Background { try peer.run("send-own-handle", inherited(0), passing: [socket]) }
    var received = ReceivedDescriptors()
    let bytes = try pair.first.read(upTo: 1, receiving: &received, timeout: generous)
    #expect(bytes == [1])
    guard let descriptor = received.takeFirst() else { throw Command.Failure("no handle came") }
    let handle = ProcessHandle(adopting: descriptor)
    #expect(try !handle.hasEnded())
    try handle.signal(0)
    try pair.second.close()
    try pair.first.close()
    try handle.wait(timeout: generous)
    _ = try sending.value()
  }

  @Test("C's locks and Swift's exclude each other, those of a process too")
  func fileLock() throws {
    let peer = try CPeer.streams.get()
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("lock")
    let lock = try FileLock(creatingIfAbsent: path)
    var held = try lock.acquire()
    #expect(try peer.run("try-lock-of-file", path.string) == "held")
    #expect(try peer.run("try-lock-of-process", path.string) == "held")
    try held.release()
    #expect(try peer.run("try-lock-of-file", path.string) == "free")

    var pipe = try Pipe()
    let reader = pipe.reader.descriptor.rawValue
    let holding = Background {
      try peer.run("hold-lock", path.string, "\(Command.firstPassedDescriptor)", passing: [reader])
    }
    let deadline = ContinuousClock.now + generous
    while try peer.run("try-lock-of-process", path.string) == "free", ContinuousClock.now < deadline {}
    let refused = try lock.tryAcquire() == nil
    #expect(refused)
    try pipe.writer.close()
    _ = try lock.acquire(timeout: generous)
    _ = try holding.value()
  }
}
