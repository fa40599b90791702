import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Shared memory", .blocking)
struct SharedMemoryTests {
  @Test("what is no memory is refused, and not waited for")
  func fifoInPlace() throws {
    let name = Unique.name()
    #expect(mkfifo("/dev/shm\(name)", 0o600) == 0)
    defer { try? POSIXSharedMemory.unlink(name) }
    let error = #expect(throws: InterprocessError.self) { _ = try POSIXSharedMemory(opening: name, readOnly: true) }
    #expect(error?.errno == .invalidArgument && error?.remedy == "what is there in /dev/shm is no memory")
  }

  @Test("POSIX memory is the same for whoever opens its name, and starts with zeros")
  func posix() throws {
    let name = Unique.name()
    var memory = try POSIXSharedMemory(creating: name, byteCount: 100)
    defer { try? POSIXSharedMemory.unlink(name) }
    let other = try POSIXSharedMemory(opening: name, readOnly: true)
    let before = other.mapping.bytes.unsafeLoad(fromByteOffset: 96, as: UInt32.self)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 42, toByteOffset: 96, as: UInt32.self)
    let after = other.mapping.bytes.unsafeLoad(fromByteOffset: 96, as: UInt32.self)
    let size = other.mapping.byteCount
    #expect((before, after, size) == (0, 42, 100))
  }

  @Test("each way that POSIX memory fails names its remedy, and leaves no name behind")
  func posixErrors() throws {
    let name = Unique.name()
    let none = #expect(throws: InterprocessError.self) { _ = try POSIXSharedMemory(opening: name) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let empty = #expect(throws: InterprocessError.self) { _ = try POSIXSharedMemory(creating: name, byteCount: 0) }
    #expect(empty?.errno == .invalidArgument)
    let huge = #expect(throws: InterprocessError.self) {
      _ = try POSIXSharedMemory(creating: name, byteCount: 1 << 50)
    }
    #expect(huge?.errno == .noSpace)
    #expect(access("/dev/shm\(name)", F_OK) == -1)
  }

  @Test("System V memory is the same for whoever attaches its key")
  func systemV() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    var memory = try SystemVSharedMemory(creating: key, byteCount: 64)
    defer { try? memory.remove() }
    let other = try SystemVSharedMemory(opening: key, readOnly: true)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 7, toByteOffset: 8, as: UInt64.self)
    let seen = other.mapping.bytes.unsafeLoad(fromByteOffset: 8, as: UInt64.self)
    #expect(seen == 7)
    let exists = #expect(throws: InterprocessError.self) { _ = try SystemVSharedMemory(creating: key, byteCount: 64) }
    #expect(exists?.errno == .fileExists)
  }

  @Test("each way that System V memory fails names its remedy")
  func systemVErrors() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let none = #expect(throws: InterprocessError.self) { _ = try SystemVSharedMemory(opening: key) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let gone = #expect(throws: InterprocessError.self) { _ = try SystemVSharedMemory(id: 1 << 30) }
    #expect(gone?.remedy == "there is no such segment any more")
    let empty = #expect(throws: InterprocessError.self) { _ = try SystemVSharedMemory(creating: key, byteCount: -1) }
    #expect(empty?.errno == .invalidArgument)
  }

  @Test("anonymous memory is sealed: nobody can shrink it under a reader")
  func anonymous() throws {
    let memory = try AnonymousMemory(byteCount: 4096)
    let truncated = ftruncate(memory.descriptor.rawValue, 10)
    #expect(truncated == -1)
    let copy = OwnedDescriptor(adopting: dup(memory.descriptor.rawValue))
    var other = try AnonymousMemory(adopting: copy)
    var bytes = other.mapping.mutableBytes
    bytes.storeBytes(of: 9, as: UInt8.self)
    let seen = memory.mapping.bytes.unsafeLoad(as: UInt8.self)
    #expect(seen == 9)
  }

  @Test("memory that is not sealed is not taken from a stranger")
  func unsealed() throws {
    let file = try TemporaryFile()
    try file.write([1, 2, 3])
    let raw = open(file.path.string, O_RDWR)
    #expect(throws: InterprocessError.self) { _ = try AnonymousMemory(adopting: OwnedDescriptor(adopting: raw)) }
  }

  @Test("atomics and futexes work on the memory, and refuse what lies outside")
  func atomics() throws {
    let memory = try AnonymousMemory(byteCount: 64)
    let copy = dup(memory.descriptor.rawValue)
    let timeout = #expect(throws: InterprocessError.self) {
      try memory.mapping.wait(at: 4, while: 0, timeout: .milliseconds(5))
    }
    #expect(timeout?.isTimeout == true)
    let waker = Background {
      let copy = try AnonymousMemory(adopting: OwnedDescriptor(adopting: copy))
      usleep(20_000)
      try copy.mapping.withAtomic(UInt32.self, at: 4) { $0.store(1, ordering: .releasing) }
      try copy.mapping.wake(at: 4)
    }
    while try memory.mapping.withAtomic(UInt32.self, at: 4, { $0.load(ordering: .acquiring) }) == 0 {
      try memory.mapping.wait(at: 4, while: 0, timeout: generous)
    }
    try waker.value()
    for offset in [-4, 2, 64, 62, .max] {
      #expect(throws: InterprocessError.self) { try memory.mapping.wake(at: offset) }
    }
  }

  @Test("a mapped file ends up on disk, and a failure leaves no file")
  func mappedFile() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    var file = try MappedFile(creating: path, byteCount: 16)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 5, toByteOffset: 3, as: UInt8.self)
    let again = try MappedFile(opening: path, readOnly: true)
    let seen = again.mapping.bytes.unsafeLoad(fromByteOffset: 3, as: UInt8.self)
    #expect(seen == 5)
    let other = directory.path.appending("other")
    #expect(throws: InterprocessError.self) { _ = try MappedFile(creating: other, byteCount: 0) }
    #expect(access(other.string, F_OK) == -1)
  }

  @Test("temporary files and directories are private, and go with their owners")
  func temporary() throws {
    var paths: [FilePath] = []
    do {
      let directory = try TemporaryDirectory()
      let file = try TemporaryFile()
      try file.write([1, 2])
      try file.write([3])
      let content = try file.read()
      #expect(content == [3])
      try NamedPipe.create(at: directory.path.appending("something"))
      paths = [directory.path, file.path]
      var status = stat()
      stat(file.path.string, &status)
      #expect(status.st_mode & 0o777 == 0o600)
    }
    #expect(paths.allSatisfy { access($0.string, F_OK) == -1 })
  }

  @Test("Python and Swift see each other's bytes", .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func python() throws {
    let name = Unique.name()
    var memory = try POSIXSharedMemory(creating: name, byteCount: 4096)
    defer { try? POSIXSharedMemory.unlink(name) }
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 2.5, toByteOffset: 16, as: Double.self)
    #expect(try PythonPeer.run("shm-read", name, "16") == "2.5")
    _ = try PythonPeer.run("shm-write", name, "24", "-0.25")
    let seen = memory.mapping.bytes.unsafeLoad(fromByteOffset: 24, as: Double.self)
    #expect(seen == -0.25)

    let key = try #require(SystemVKey(rawValue: Unique.key()))
    _ = try PythonPeer.run("sysv-shm-create", "\(key.rawValue)", "4096")
    var segment = try SystemVSharedMemory(opening: key)
    defer { try? segment.remove() }
    var segmentBytes = segment.mapping.mutableBytes
    segmentBytes.storeBytes(of: 2.5, toByteOffset: 16, as: Double.self)
    #expect(try PythonPeer.run("sysv-shm-read", "\(key.rawValue)", "16") == "2.5")
    _ = try PythonPeer.run("sysv-shm-write", "\(key.rawValue)", "24", "-0.25")
    let written = segment.mapping.bytes.unsafeLoad(fromByteOffset: 24, as: Double.self)
    #expect(written == -0.25)
  }
}

@Suite("SharedArray", .blocking)
struct SharedArrayTests {
  @Test("an array made in one mapping is opened in another")
  func opening() throws {
    let name = Unique.name()
    let size = try SharedArray<Double>.byteCount(for: 10)
    let array = try SharedArray(repeating: 1.5, count: 10, in: POSIXSharedMemory(creating: name, byteCount: size))
    defer { try? POSIXSharedMemory.unlink(name) }
    let other = try SharedArray<Double>(opening: POSIXSharedMemory(opening: name))
    array[9] = 4
    #expect(Array(other) == [Double](repeating: 1.5, count: 9) + [4])
    #expect(throws: InterprocessError.self) {
      _ = try SharedArray<Float>(opening: POSIXSharedMemory(opening: name))
    }
  }

  @Test("an array in read-only memory is read, and says that it is not to be written")
  func readOnly() throws {
    let name = Unique.name()
    let size = try SharedArray<Int>.byteCount(for: 3)
    let array = try SharedArray(repeating: 1, count: 3, in: POSIXSharedMemory(creating: name, byteCount: size))
    defer { try? POSIXSharedMemory.unlink(name) }
    let other = try SharedArray<Int>(opening: POSIXSharedMemory(opening: name, readOnly: true))
    array[1] = 5
    #expect(Array(other) == [1, 5, 1])
    #expect((array.isReadOnly, other.isReadOnly) == (false, true))
    // Made anew, and found by whoever opens it then.
    _ = try SharedArray(repeating: UInt8(7), count: 24, in: POSIXSharedMemory(opening: name))
    let bytes = try SharedArray<UInt8>(opening: POSIXSharedMemory(opening: name))
    #expect(Array(bytes) == [UInt8](repeating: 7, count: 24))
  }

  @Test("what a stranger wrote is checked before it is believed")
  func hostile() throws {
    let name = Unique.name()
    var memory = try POSIXSharedMemory(creating: name, byteCount: 128)
    defer { try? POSIXSharedMemory.unlink(name) }
    let none = #expect(throws: InterprocessError.self) {
      _ = try SharedArray<Double>(opening: POSIXSharedMemory(opening: name))
    }
    #expect(none?.remedy == "there is no array in this memory")
    _ = try SharedArray(repeating: 0.0, count: 8, in: POSIXSharedMemory(opening: name))
    var bytes = memory.mapping.mutableBytes
    for count in [UInt64(9), .max, 0] {
      bytes.storeBytes(of: count, toByteOffset: 16, as: UInt64.self)
      let error = #expect(throws: InterprocessError.self) {
        _ = try SharedArray<Double>(opening: POSIXSharedMemory(opening: name))
      }
      #expect(error?.remedy?.contains("more than the memory holds") == true)
    }
  }

  @Test("counts that no memory holds are refused")
  func counts() throws {
    #expect(throws: InterprocessError.self) { try SharedArray<Double>.byteCount(for: .max) }
    #expect(throws: InterprocessError.self) { try SharedArray<Double>.byteCount(for: -1) }
    #expect(throws: InterprocessError.self) {
      _ = try SharedArray(repeating: 0.0, count: 100, in: AnonymousMemory(byteCount: 128))
    }
  }
}
