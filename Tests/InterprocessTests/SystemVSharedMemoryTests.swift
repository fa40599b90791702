import Glibc
import Interprocess
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("SystemVSharedMemory")
struct SystemVSharedMemoryTests {
  private func withSegment<Result>(
    _ byteCount: Int = 100, _ body: (SystemVKey, inout SystemVSharedMemory) throws -> Result
  ) throws -> Result {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    var segment = try SystemVSharedMemory(creating: key, byteCount: byteCount, options: .noReserve)
    let id = segment.id
    defer { try? SystemVSharedMemory.remove(id: id) }
    return try body(key, &segment)
  }

  @Test("the status tells all that the kernel knows")
  func status() throws {
    try withSegment { key, segment in
      let status = try segment.status()
      #expect(status.byteCount == 100)
      #expect(status.attachCount == 1)
      #expect(status.creatorID == getpid())
      #expect(status.lastUserID == getpid())
      #expect(status.permissions.key == key)
      #expect(status.permissions.owner == getuid())
      #expect(status.permissions.creator == getuid())
      #expect(status.permissions.group == getgid())
      #expect(status.permissions.creatorGroup == getgid())
      #expect(status.permissions.mode == .ownerReadWrite)
      #expect(abs((status.lastAttached ?? 0) - time(nil)) < 60)
      #expect(abs(status.lastChanged - time(nil)) < 60)
      #expect(status.lastDetached == nil)
      #expect(!status.isMarkedForRemoval)
      #expect(!status.isLockedInRAM)
      do { _ = try SystemVSharedMemory(opening: key) }
      let detached = try segment.status().lastDetached
      #expect(detached != nil)
    }
  }

  @Test("owner and mode are changed, and nothing else")
  func permissions() throws {
    try withSegment { _, segment in
      var permissions = try segment.status().permissions
      permissions.mode = [.ownerRead, .groupRead]
      if getuid() == 0 { (permissions.owner, permissions.group) = (12, 34) }
      try segment.setPermissions(permissions)
      let changed = try segment.status().permissions
      #expect(changed == permissions)
    }
  }

  @Test("a removed segment stays for those who have it, and is marked")
  func removal() throws {
    try withSegment { key, segment in
      try SystemVSharedMemory.remove(id: segment.id)
      let status = try segment.status()
      #expect(status.isMarkedForRemoval)
      #expect(status.permissions.key == nil)
      #expect(status.permissions.mode == .ownerReadWrite)
      let other = try SystemVSharedMemory(id: segment.id)
      let count = try other.status().attachCount
      #expect(count == 2)
      let gone = #expect(throws: InterprocessError.self) { _ = try SystemVSharedMemory(opening: key) }
      #expect(gone?.errno == .noSuchFileOrDirectory)
    }
    let none = #expect(throws: InterprocessError.self) { try SystemVSharedMemory.remove(id: 1 << 30) }
    #expect(none?.remedy == "there is no such segment any more")
  }

  @Test("it is locked in RAM and unlocked")
  func locking() throws {
    try withSegment { _, segment in
      try segment.lockInRAM()
      let locked = try segment.status().isLockedInRAM
      try segment.unlockFromRAM()
      let unlocked = try segment.status().isLockedInRAM
      #expect((locked, unlocked) == (true, false))
    }
  }

  @Test("creating if absent opens what is there, and refuses what is too small")
  func creatingIfAbsent() throws {
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    let first = try SystemVSharedMemory(creatingIfAbsent: key, byteCount: 100)
    defer { try? first.remove() }
    let second = try SystemVSharedMemory(creatingIfAbsent: key, byteCount: 50)
    let same = (first.id == second.id, second.mapping.byteCount)
    #expect(same == (true, 100))
    let small = #expect(throws: InterprocessError.self) {
      _ = try SystemVSharedMemory(creatingIfAbsent: key, byteCount: 10_000)
    }
    #expect(small?.errno == .invalidArgument)
    #expect(small?.remedy?.hasPrefix("10000 bytes are more than the segment has, or than kernel.shmmax") == true)
  }

  @Test("a segment is attached at an address where there is room, rounded if asked, and not on top of another")
  func placement() throws {
    try withSegment(Mapping.pageSize) { key, segment in
      let start = segment.mapping.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
      let taken = #expect(throws: InterprocessError.self) {
        _ = try SystemVSharedMemory(opening: key, placement: .at(start))
      }
      #expect(taken?.errno == .invalidArgument)
      #expect(taken?.remedy?.contains("something is") == true)
      // A place where nothing is: one that was mapped until now.
      let free = UInt(bitPattern: mmap(nil, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
      let address = try #require(UnsafeMutableRawPointer(bitPattern: free))
      let replaced = try SystemVSharedMemory(
        opening: key, placement: .unsafelyReplacing(address + 100, [.rounding, .executable]))
      let found = replaced.mapping.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
      #expect(found == free)
      munmap(address + Mapping.pageSize, (1 << 20) - Mapping.pageSize)
    }
  }
}

@Suite("Memory and C")
struct MemoryPeerTests {
  @Test("C and Swift see each other's bytes in POSIX memory", .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func posix() throws {
    let peer = try CPeer.memory.get()
    let name = Unique.name()
    try peer.run("posix-create", name, "4096")
    defer { try? POSIXSharedMemory.unlink(name) }
    var memory = try POSIXSharedMemory(opening: name)
    var bytes = memory.mapping.mutableBytes
    bytes.storeBytes(of: 2.5, toByteOffset: 16, as: Double.self)
    #expect(try peer.run("posix-read", name, "16") == "2.5")
    try peer.run("posix-write", name, "24", "-0.25")
    let seen = memory.mapping.bytes.unsafeLoad(fromByteOffset: 24, as: Double.self)
    #expect(seen == -0.25)
  }

  @Test("C and Swift see each other's bytes in a segment", .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func systemV() throws {
    let peer = try CPeer.memory.get()
    let key = try #require(SystemVKey(rawValue: Unique.key()))
    try peer.run("system-v-create", "\(key.rawValue)", "4096")
    var segment = try SystemVSharedMemory(opening: key)
    defer { try? segment.remove() }
    var bytes = segment.mapping.mutableBytes
    bytes.storeBytes(of: 2.5, toByteOffset: 16, as: Double.self)
    #expect(try peer.run("system-v-read", "\(key.rawValue)", "16") == "2.5")
    try peer.run("system-v-write", "\(key.rawValue)", "24", "-0.25")
    let seen = segment.mapping.bytes.unsafeLoad(fromByteOffset: 24, as: Double.self)
    #expect(seen == -0.25)
  }

  @Test(
    "a lock is one lock for C and Swift, also when C dies holding it",
    .enabled(if: CPeer.isAvailable, "\(CPeer.absence)"))
  func locks() throws {
    let peer = try CPeer.memory.get()
    let name = Unique.name()
    let memory = try POSIXSharedMemory(creating: name, byteCount: 4096)
    defer { try? POSIXSharedMemory.unlink(name) }
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 64)
    #expect(try peer.run("mutex-try", name, "64") == "locked")
    let meanwhile = try mutex.withLock { _ in try peer.run("mutex-try", name, "64") }
    #expect(meanwhile == "busy")
    #expect(try peer.command("mutex-die", name, "64").exitCode == 128 + SIGKILL)
    try mutex.withLock(timeout: generous) { lock in
      let died = lock.ownerDied
      #expect(died)
      try lock.markConsistent()
    }
    let semaphore = try UnnamedSemaphore(creatingIn: memory.mapping, at: 128, value: 0)
    try peer.run("semaphore-post", name, "128")
    try semaphore.acquire(timeout: generous)
    let acquiring = Background { try peer.run("semaphore-acquire", name, "128") }
    try semaphore.release()
    _ = try acquiring.value()
    let left = try semaphore.value
    #expect(left == 0)
  }

  @Test("C and Swift wait for each other at a condition")
  func condition() throws {
    let peer = try CPeer.memory.get()
    let name = Unique.name()
    let memory = try POSIXSharedMemory(creating: name, byteCount: 4096)
    defer { try? POSIXSharedMemory.unlink(name) }
    let mutex = try SharedMutex(creatingIn: memory.mapping, at: 64)
    let condition = try SharedCondition(creatingIn: memory.mapping, at: 128)
    let places = ["64", "128", "1024"]
    func number() throws -> UInt32 {
      try memory.mapping.withAtomic(UInt32.self, at: 1024) { $0.load(ordering: .relaxed) }
    }
    let notifying = Background { try peer.run("condition-notify", name, places[0], places[1], places[2]) }
    try mutex.withLock { lock in try condition.wait(with: &lock, timeout: generous) { try number() == 0 } }
    _ = try notifying.value()
    #expect(try number() == 1)

    try memory.mapping.withAtomic(UInt32.self, at: 1024) { $0.store(0, ordering: .relaxed) }
    let waiting = Background { try peer.run("condition-await", name, places[0], places[1], places[2]) }
    usleep(50_000)
    try mutex.withLock { _ in
      try memory.mapping.withAtomic(UInt32.self, at: 1024) { $0.store(1, ordering: .relaxed) }
    }
    try condition.notifyOne()
    _ = try waiting.value()
  }
}
