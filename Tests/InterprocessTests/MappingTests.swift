import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("Mapping")
struct MappingTests {
  private let page = Mapping.pageSize

  @Test("protection is taken away and given back, but not past what was opened")
  func protection() throws {
    let name = Unique.name()
    var memory = try POSIXSharedMemory(creating: name, byteCount: page)
    defer { try? POSIXSharedMemory.unlink(name) }
    try memory.mapping.protect(.readOnly)
    let readOnly = (memory.mapping.isReadOnly, memory.mapping.mutableBytes.byteCount)
    #expect(readOnly == (true, 0))
    try memory.mapping.protect(.readWrite)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 3, as: UInt8.self)
    var other = try POSIXSharedMemory(opening: name, readOnly: true)
    let error = #expect(throws: InterprocessError.self) { try other.mapping.protect(.readWrite) }
    #expect(error?.errno == .permissionDenied)
    #expect(error?.remedy == "it was opened for reading only")
  }

  @Test("memory with a lock of this process in it does not become read-only")
  func protectionWithLocks() throws {
    var memory = try AnonymousMemory(byteCount: page)
    do {
      let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
      let error = #expect(throws: InterprocessError.self) { try memory.mapping.protect(.readOnly) }
      #expect(error?.errno == .resourceBusy)
      try mutex.withLock { _ in }
    }
    try memory.mapping.protect(.readOnly)
  }

  @Test(
    "every advice is taken, and changes nothing in the memory",
    arguments: [Mapping.Advice.normal, .sequential, .random, .willNeed, .dontNeed, .noHugePages])
  func advice(advice: Mapping.Advice) throws {
    let directory = try TemporaryDirectory()
    var file = try MappedFile(creating: directory.path.appending("file"), byteCount: 3 * page)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 7, toByteOffset: page, as: UInt8.self)
    try file.mapping.advise(advice)
    try file.mapping.advise(advice, in: page + 1..<page + 2)
    let seen = file.mapping.bytes.unsafeLoad(fromByteOffset: page, as: UInt8.self)
    #expect(seen == 7)
  }

  @Test("a range outside the memory is refused")
  func ranges() throws {
    let memory = try AnonymousMemory(byteCount: 100)
    for range in [-1..<2, 0..<101, 200..<300] {
      let error = #expect(throws: InterprocessError.self) { try memory.mapping.sync(in: range) }
      #expect(error?.remedy == "the memory has 100 bytes")
      #expect(throws: InterprocessError.self) { try memory.mapping.advise(.normal, in: range) }
      #expect(throws: InterprocessError.self) { try memory.mapping.lockInRAM(in: range) }
      #expect(throws: InterprocessError.self) { try memory.mapping.unlockFromRAM(in: range) }
    }
  }

  @Test(
    "memory is locked in RAM, does not go while it is, and is unlocked again",
    .disabled(if: Sanitizer.isPresent, "\(Sanitizer.absence)"))
  func locking() throws {
    let memory = try AnonymousMemory(byteCount: 2 * page)
    try memory.mapping.lockInRAM()
    let busy = #expect(throws: InterprocessError.self) { try memory.mapping.advise(.dontNeed) }
    #expect(busy?.remedy == "pages that are locked in RAM cannot go; unlock them first")
    try memory.mapping.unlockFromRAM()
    try memory.mapping.advise(.dontNeed)
  }

  @Test("a file is written back, all of it or a part, waiting or not")
  func sync() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    var file = try MappedFile(creating: path, byteCount: 2 * page)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 9, toByteOffset: page + 5, as: UInt8.self)
    try file.mapping.sync()
    try file.mapping.sync(in: page + 5..<page + 6)
    try file.mapping.sync(.scheduling)
    try file.mapping.sync(in: 5..<5)
  }

  @Test("a task is suspended until a file is written back")
  func syncOfATask() async throws {
    let directory = try TemporaryDirectory()
    var file = try MappedFile(creating: directory.path.appending("file"), byteCount: 2 * page)
    var bytes = file.mapping.mutableBytes
    bytes.storeBytes(of: 9, toByteOffset: page + 5, as: UInt8.self)
    try await file.mapping.sync()
    try await file.mapping.sync(in: page + 5..<page + 6)
    let error = await #expect(throws: InterprocessError.self) {
      try await AnonymousMemory(byteCount: 100).mapping.sync(in: 0..<101)
    }
    #expect(error?.errno == .invalidArgument)
    let cancelled = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await AnonymousMemory(byteCount: 100).mapping.sync()
    }
    await #expect(throws: CancellationError.self) { try await cancelled.value }
  }

  @Test("memory grows and shrinks with its content, and others follow")
  func resizing() throws {
    let name = Unique.name()
    var memory = try POSIXSharedMemory(creating: name, byteCount: 100)
    defer { try? POSIXSharedMemory.unlink(name) }
    var other = try POSIXSharedMemory(opening: name, readOnly: true)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 5, toByteOffset: 99, as: UInt8.self)
    try memory.resize(to: 3 * page)
    bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 6, toByteOffset: 3 * page - 1, as: UInt8.self)
    try other.followSize()
    let seen = (99, 100, 3 * page - 1)
    let values = (
      other.mapping.bytes.unsafeLoad(fromByteOffset: seen.0, as: UInt8.self),
      other.mapping.bytes.unsafeLoad(fromByteOffset: seen.1, as: UInt8.self),
      other.mapping.bytes.unsafeLoad(fromByteOffset: seen.2, as: UInt8.self)
    )
    #expect(values == (5, 0, 6))
    try memory.resize(to: page)
    try other.followSize()
    let sizes = (memory.mapping.byteCount, other.mapping.byteCount, try memory.status().size)
    #expect(sizes == (page, page, Int64(page)))
    for size in [0, -1] { #expect(throws: InterprocessError.self) { try memory.resize(to: size) } }
    let huge = #expect(throws: InterprocessError.self) { try memory.resize(to: 1 << 50) }
    #expect(huge?.errno == .noSpace)
    let unchanged = memory.mapping.byteCount
    #expect(unchanged == page)
    for size in [page / 2, 2 * page] {
      let readOnly = #expect(throws: InterprocessError.self) { try other.resize(to: size) }
      #expect(readOnly?.remedy == "it was opened read-only, or this size is not possible for it")
    }
  }

  @Test("locks in memory that is resized stay the same locks")
  func resizingWithLocks() throws {
    var memory = try AnonymousMemory(byteCount: page, seals: [])
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 0)
    try memory.resize(to: 4 * page)
    let again = try SharedMutex(openingIn: memory.mapping, at: 0)
    try mutex.withLock { _ in
      let taken = try Background { try again.withLockIfAvailable { _ in true } ?? false }.value()
      #expect(!taken)
    }
  }

  @Test("whoever creates memory if absent gets what is there, as large as the largest asked for")
  func creatingIfAbsent() throws {
    let name = Unique.name()
    var first = try POSIXSharedMemory(creatingIfAbsent: name, byteCount: page)
    defer { try? POSIXSharedMemory.unlink(name) }
    var bytes = first.mapping.mutableBytes
    bytes.storeBytes(of: 8, as: UInt8.self)
    let smaller = try POSIXSharedMemory(creatingIfAbsent: name, byteCount: 10)
    let larger = try POSIXSharedMemory(creatingIfAbsent: name, byteCount: 2 * page)
    let sizes = (smaller.mapping.byteCount, larger.mapping.byteCount)
    let seen = larger.mapping.bytes.unsafeLoad(as: UInt8.self)
    #expect(sizes == (page, 2 * page))
    #expect(seen == 8)

    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    _ = try MappedFile(creatingIfAbsent: path, byteCount: 10)
    let file = try MappedFile(creatingIfAbsent: path, byteCount: 20)
    let size = file.mapping.byteCount
    #expect(size == 20)
  }

  @Test("the status tells size, owner and mode")
  func status() throws {
    let name = Unique.name()
    let memory = try POSIXSharedMemory(creating: name, byteCount: 100, permissions: [.ownerReadWrite, .groupRead])
    defer { try? POSIXSharedMemory.unlink(name) }
    let status = try memory.status()
    #expect(status.size == 100)
    #expect(status.userID.rawValue == getuid())
    #expect(status.permissions == [.ownerReadWrite, .groupRead])
    #expect(abs(status.st_mtim.tv_sec - time(nil)) < 60)
  }

  @Test("what another process has resized gets the size that is asked for, whatever is mapped here", .blocking)
  func resizedElsewhere() throws {
    let page = 4096
    var first = try POSIXSharedMemory(creating: Unique.name(), byteCount: page)
    defer { try? POSIXSharedMemory.unlink(first.name) }
    var second = try POSIXSharedMemory(opening: first.name)
    try second.resize(to: 3 * page)
    try first.resize(to: 2 * page)
    #expect(try first.status().size == Int64(2 * page))
    try second.resize(to: 4 * page)
    try first.resize(to: page)
    try second.resize(to: 2 * page)
    // All of it is there, and none of it will be asked for only when it is touched.
    #expect(try second.status().rawValue.st_blocks * 512 >= 2 * page)
  }

  @Test("a mapped file grows and shrinks")
  func file() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("file")
    var file = try MappedFile(creating: path, byteCount: 10)
    try file.resize(to: 5000)
    var reader = try MappedFile(opening: path, readOnly: true)
    try file.resize(to: 20)
    try reader.followSize()
    let sizes = (file.mapping.byteCount, reader.mapping.byteCount, try reader.status().size)
    #expect(sizes == (20, 20, 20))
  }
}

@Suite("AnonymousMemory")
struct AnonymousMemoryTests {
  private let page = Mapping.pageSize

  @Test("it is of fixed size unless asked otherwise, and then can be sealed later")
  func seals() throws {
    var fixed = try AnonymousMemory(byteCount: page)
    let seals = try fixed.seals
    #expect(seals == .fixedSize)
    for size in [page / 2, 2 * page] {
      let error = #expect(throws: InterprocessError.self) { try fixed.resize(to: size) }
      #expect(error?.errno == .notPermitted)
      #expect(error?.remedy == "it is sealed against this; create it with other seals")
    }
    let more = #expect(throws: InterprocessError.self) { try fixed.add(.writing) }
    #expect(more?.remedy == "the memory is sealed against more seals")

    var free = try AnonymousMemory(byteCount: page, seals: [])
    try free.resize(to: 2 * page)
    let busy = #expect(throws: InterprocessError.self) { try free.add(.writing) }
    #expect(busy?.errno == .resourceBusy)
    try free.add([.shrinking, .growing])
    let added = try free.seals
    #expect(added == [.shrinking, .growing])
    #expect(throws: InterprocessError.self) { try free.resize(to: page) }
  }

  @Test("sealed against future writing, its creator writes and others read")
  func futureWriting() throws {
    var memory = try AnonymousMemory(byteCount: page, seals: [.shrinking, .futureWriting])
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 4, as: UInt8.self)
    let other = try AnonymousMemory(adopting: OwnedDescriptor(adopting: dup(memory.descriptor.rawValue)))
    let seen = (other.mapping.isReadOnly, other.mapping.bytes.unsafeLoad(as: UInt8.self))
    #expect(seen == (true, 4))
  }

  @Test("memory without seals is taken from those only who are trusted")
  func adopting() throws {
    let memory = try AnonymousMemory(byteCount: page, seals: [])
    let copies = (dup(memory.descriptor.rawValue), dup(memory.descriptor.rawValue))
    let refused = #expect(throws: InterprocessError.self) {
      _ = try AnonymousMemory(adopting: OwnedDescriptor(adopting: copies.0))
    }
    #expect(refused?.errno == .invalidArgument)
    let taken = try AnonymousMemory(adoptingUnsealed: OwnedDescriptor(adopting: copies.1))
    let size = taken.mapping.byteCount
    #expect(size == page)
    let label = #expect(throws: InterprocessError.self) {
      _ = try AnonymousMemory(byteCount: page, label: String(repeating: "x", count: 300))
    }
    #expect(label?.remedy == "a label has at most 249 bytes")
  }

  @Test(
    "memory with an array that Python made, sealed and passed is an array here, and Python sees what is written",
    .blocking, .enabled(if: PythonPeer.isAvailable, "\(PythonPeer.absence)"))
  func fromPython() throws {
    let name = "interprocess-test-\(UInt64.random(in: 0 ... .max))"
    let listener = try UnixListener(at: .abstract(name))
    let program = """
      import array, fcntl, mmap, os, socket, struct, sys
      fd = os.memfd_create('array', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
      os.ftruncate(fd, 64 + 3 * 8)
      memory = mmap.mmap(fd, 64 + 3 * 8)
      memory[0:64] = struct.pack('=8sQQ40x', b'SwArray1', 8, 3)
      memory[64:] = array.array('d', [1.5, 2.5, 3.5]).tobytes()
      fcntl.fcntl(fd, 1033, 2)  # F_ADD_SEALS, F_SEAL_SHRINK
      peer = socket.socket(socket.AF_UNIX)
      peer.connect('\\0' + sys.argv[1])
      socket.send_fds(peer, [b'!'], [fd])
      peer.recv(1)
      print(struct.unpack('=d', memory[72:80])[0])
      """
    let peer = Background { try PythonPeer.run(program: program, name) }
    let connection = try listener.accept(timeout: generous)
    var received = ReceivedDescriptors(atMost: 1)
    #expect(try connection.read(upTo: 1, receiving: &received, timeout: generous) == Array("!".utf8))
    guard let descriptor = received.takeFirst() else { return #expect(Bool(false), "no memory came") }
    let array = try SharedArray<Double>(opening: AnonymousMemory(adopting: descriptor))
    #expect(array.count == 3 && array[0] == 1.5 && array[2] == 3.5)
    array[1] = 42
    try connection.write([1])
    #expect(try peer.value(timeout: generous) == "42.0")
  }

  @Test("huge pages are had, or the error names what to raise")
  func hugePages() throws {
    func isExplained(_ error: InterprocessError) -> Bool {
      error.remedy?.contains("vm.nr_hugepages") == true || error.remedy?.contains("/sys/kernel/mm/hugepages") == true
    }
    do {
      let memory = try AnonymousMemory(byteCount: 100, hugePages: .standard)
      let size = memory.mapping.byteCount
      #expect(size >= 1 << 16)
    } catch {
      #expect(isExplained(error), "\(error)")
    }
    do {
      let memory = try SystemVSharedMemory(byteCount: 2 << 20, hugePages: .standard)
      try memory.remove()
    } catch {
      #expect(isExplained(error), "\(error)")
    }
    #expect(HugePageSize(byteCount: 3 << 20) == nil)
    let odd = try #require(HugePageSize(byteCount: 1 << 13))
    let none = #expect(throws: InterprocessError.self) { _ = try AnonymousMemory(byteCount: 100, hugePages: odd) }
    #expect(none?.remedy == "this machine has no huge pages of this size; see /sys/kernel/mm/hugepages")
  }
}
