import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Refusals of memory and files", .blocking)
struct MemoryRefusalTests {
  @Test("POSIX shared memory")
  func posix() throws {
    let name = Unique.name()
    let absent = Unique.name()
    let memory = try POSIXSharedMemory(creating: name, byteCount: 100)
    defer { try? POSIXSharedMemory.unlink(name) }
    expectRefusal("shm_open", .fileExists, "this shared memory exists already") {
      _ = try POSIXSharedMemory(creating: name, byteCount: 1)
    }
    expectRefusal("shm_open", .noSuchFileOrDirectory, "there is no such shared memory") {
      _ = try POSIXSharedMemory(opening: absent)
    }
    expectRefusal("shm_unlink", .noSuchFileOrDirectory, "there is no such shared memory") {
      try POSIXSharedMemory.unlink(absent)
    }
    expectRefusal("fallocate", .invalidArgument, "0 bytes; ask for at least 1") {
      _ = try POSIXSharedMemory(creating: absent, byteCount: 0)
    }
    var readOnly = try POSIXSharedMemory(opening: name, readOnly: true)
    expectRefusal("fallocate", .badFileDescriptor, "it was opened read-only") { try readOnly.resize(to: 200) }
    expectRefusal("ftruncate", .invalidArgument, "it was opened read-only") { try readOnly.resize(to: 50) }
    let size = readOnly.mapping.byteCount
    #expect(size == 100)
    // Its creator has not come to giving it a size.
    try FileDescriptor.open("/dev/shm\(absent)", .readWrite, options: [.create], permissions: .ownerReadWrite).close()
    defer { try? POSIXSharedMemory.unlink(absent) }
    expectRefusal("mmap", .invalidArgument, "there are no bytes to map") { _ = try POSIXSharedMemory(opening: absent) }
    _ = memory.name
  }

  @Test("arrays of another element, and memory with a lock in it")
  func arraysAndLocks() throws {
    let memory = try AnonymousMemory(byteCount: 4096)
    let copy = OwnedDescriptor(adopting: dup(memory.descriptor.rawValue))
    _ = try SharedArray(repeating: UInt64(1), count: 4, in: memory)
    expectRefusal("SharedArray", .invalidArgument, "its elements have 8 bytes, UInt16 has 2") {
      _ = try SharedArray<UInt16>(opening: AnonymousMemory(adopting: OwnedDescriptor(adopting: dup(copy.rawValue))))
    }
    var locked = try AnonymousMemory(byteCount: 4096)
    let mutex = try SharedMutex(creatingIn: locked.mapping, at: 0)
    expectRefusal("mprotect", .resourceBusy, "locks of this process lie in this memory") {
      try locked.mapping.protect(.readOnly)
    }
    withExtendedLifetime(mutex) {}
  }

  @Test("System V shared memory")
  func systemV() throws {
    let key = try #require(SystemVKey(exactly: Unique.key()))
    let absent = try #require(SystemVKey(exactly: Unique.key()))
    let memory = try SystemVSharedMemory(creating: key, byteCount: 100)
    defer { try? memory.remove() }
    expectRefusal("shmget", .fileExists, "this segment exists already") {
      _ = try SystemVSharedMemory(creating: key, byteCount: 1)
    }
    expectRefusal("shmget", .noSuchFileOrDirectory, "there is no such segment") {
      _ = try SystemVSharedMemory(opening: absent)
    }
    expectRefusal("shmget", .invalidArgument, "0 bytes; ask for at least 1") {
      _ = try SystemVSharedMemory(byteCount: 0)
    }
    expectRefusal("shmget", .invalidArgument, "101 bytes are more than the segment has") {
      _ = try SystemVSharedMemory(creatingIfAbsent: key, byteCount: 101)
    }
    expectRefusal("shmat", .invalidArgument, "the address is not a multiple of a page (round it with .rounding)") {
      _ = try SystemVSharedMemory(opening: key, placement: .at(12345))
    }
    let gone = try SystemVSharedMemory(byteCount: 1).id
    try SystemVSharedMemory.remove(id: gone)
    let remedy = "there is no such segment any more"
    expectRefusal("shmctl", .invalidArgument, remedy) { _ = try SystemVSharedMemory(id: gone) }
    expectRefusal("shmctl", .invalidArgument, remedy) { try SystemVSharedMemory.remove(id: gone) }
  }

  @Test("anonymous memory")
  func anonymous() throws {
    let sealed = try AnonymousMemory(byteCount: 100)
    expectRefusal("fcntl", .notPermitted, "the memory is sealed against more seals") { try sealed.add(.writing) }
    var open = try AnonymousMemory(byteCount: 100, seals: .growing)
    expectRefusal("fcntl", .resourceBusy, "it is mapped for writing") { try open.add(.writing) }
    expectRefusal("fallocate", .notPermitted, "it is sealed against this; create it with other seals") {
      try open.resize(to: 10_000)
    }
    expectRefusal("fcntl", .resourceBusy, "it is mapped for writing") {
      _ = try AnonymousMemory(byteCount: 100, seals: .writing)
    }
    expectRefusal("fallocate", .invalidArgument, "-1 bytes; ask for at least 1") {
      _ = try AnonymousMemory(byteCount: -1)
    }
    expectRefusal("memfd_create", .invalidArgument, "a label has at most 249 bytes") {
      _ = try AnonymousMemory(byteCount: 1, label: String(repeating: "x", count: 250))
    }
    let number = dup(open.descriptor.rawValue)
    expectRefusal("mmap", .invalidArgument, "this memory is not sealed against shrinking (F_SEAL_SHRINK)") {
      _ = try AnonymousMemory(adopting: OwnedDescriptor(adopting: number))
    }
    let pipe = try Pipe()
    let end = dup(pipe.reader.descriptor.rawValue)
    expectRefusal("fcntl", .invalidArgument, "this is a file or memory that cannot be sealed; see MappedFile") {
      _ = try AnonymousMemory(adoptingUnsealed: OwnedDescriptor(adopting: end))
    }
  }

  @Test("mappings")
  func mappings() throws {
    var memory = try AnonymousMemory(byteCount: 100)
    for range in [-1..<1, 0..<101] {
      let remedy = "the memory has 100 bytes"
      expectRefusal("msync", .invalidArgument, remedy) { try memory.mapping.sync(in: range) }
      expectRefusal("madvise", .invalidArgument, remedy) { try memory.mapping.advise(.normal, in: range) }
      expectRefusal("mlock", .invalidArgument, remedy) { try memory.mapping.lockInRAM(in: range) }
      expectRefusal("munlock", .invalidArgument, remedy) { try memory.mapping.unlockFromRAM(in: range) }
    }
    for offset in [-4, 2, 100] {
      let remedy = "offsets are multiples of 4 within the 100 bytes"
      expectRefusal("Mapping", .invalidArgument, remedy) { try memory.mapping.wait(at: offset, while: 0) }
      expectRefusal("Mapping", .invalidArgument, remedy) { try memory.mapping.wake(at: offset) }
    }
    expectRefusal("futex", .timedOut, nil) { try memory.mapping.wait(at: 0, while: 0, timeout: .milliseconds(5)) }
    try memory.mapping.protect(.readOnly)
    expectRefusal("Mapping", .invalidArgument, "the memory is read-only") { try memory.mapping.wake(at: 0) }
    expectRefusal("SharedMutex", .invalidArgument, "the memory is read-only") {
      _ = try SharedMutex(creatingIn: memory.mapping, at: 0)
    }
  }

  @Test("shared arrays")
  func arrays() throws {
    expectRefusal("SharedArray", .overflow, "ask for 1 or more that fit") {
      _ = try SharedArray<Int>.byteCount(for: .max)
    }
    expectRefusal("SharedArray", .invalidArgument, "bytes, the memory has 64") {
      _ = try SharedArray(repeating: 0, count: 100, in: AnonymousMemory(byteCount: 64))
    }
    expectRefusal("SharedArray", .invalidArgument, "there is no array in this memory") {
      _ = try SharedArray<Int>(opening: AnonymousMemory(byteCount: 4096))
    }
  }

  @Test("mapped files and locks on files")
  func files() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    let absent = directory.path.appending("absent")
    let missing = directory.path.appending("missing").appending("file")
    _ = try MappedFile(creating: path, byteCount: 100)
    expectRefusal("open", .fileExists, "this file exists already") { _ = try MappedFile(creating: path, byteCount: 1) }
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such file") { _ = try MappedFile(opening: absent) }
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such file") {
      _ = try MappedFile(creatingIfAbsent: missing, byteCount: 1)
    }
    expectRefusal("open", .fileNameTooLong, nil) {
      _ = try MappedFile(creating: directory.path.appending(String(repeating: "x", count: 256)), byteCount: 1)
    }
    var readOnly = try MappedFile(opening: path, readOnly: true)
    expectRefusal("fallocate", .badFileDescriptor, "it was opened read-only") { try readOnly.resize(to: 10_000) }
    expectRefusal("mprotect", .permissionDenied, "it was opened for reading only") {
      try readOnly.mapping.protect(.readWrite)
    }
    let empty = try TemporaryFile()
    expectRefusal("mmap", .invalidArgument, "there are no bytes to map") { _ = try MappedFile(opening: empty.path) }

    expectRefusal("open", .noSuchFileOrDirectory, "there is no such file") { _ = try FileLock(opening: absent) }
    let lock = try FileLock(opening: path)
    let reader = try FileLock(opening: path, readOnly: true)
    expectRefusal("fcntl", .badFileDescriptor, "an exclusive lock needs a file open for writing") {
      _ = try reader.tryAcquire()
    }
    expectRefusal("fcntl", .invalidArgument, "a range has 1 byte or more, none of them before 0") {
      _ = try lock.acquire(range: 3..<3)
    }
    let held = try lock.acquire()
    expectRefusal("fcntl", .deadlock, "this FileLock holds a lock there already") { _ = try lock.acquire(range: 1..<2) }
    expectRefusal("fcntl", .timedOut, nil) { _ = try reader.acquire(.shared, timeout: .milliseconds(5)) }
    _ = consume held
  }

  @Test("temporary files that somebody removed")
  func temporary() throws {
    let file = try TemporaryFile()
    unlink(file.path.string)
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such file") { try file.write([1]) }
    expectRefusal("open", .noSuchFileOrDirectory, "there is no such file") { _ = try file.read() }
    expectRefusal("mkostemp", .noSuchFileOrDirectory, "set TMPDIR to one") { _ = try TemporaryFile(prefix: "no/where") }
    expectRefusal("mkdtemp", .noSuchFileOrDirectory, "set TMPDIR to one") {
      _ = try TemporaryDirectory(prefix: "no/where")
    }
  }
}
