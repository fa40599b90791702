import Glibc
import Interprocess
import SystemPackage
import TestSupport
import Testing

@Suite("FileLock")
struct FileLockTests {
  private func facts(_ scenario: String) throws -> [String] {
    try Command.run(Package.program("forked-process-helper"), [scenario], timeout: .seconds(60)).lines
  }

  /// Gives `body` two holders of the same file.
  private func withLocks(_ body: (borrowing FileLock, borrowing FileLock) throws -> Void) throws {
    let file = try TemporaryFile()
    try body(FileLock(opening: file.path), FileLock(opening: file.path))
  }

  @Test("an exclusive lock excludes all, shared ones each other not")
  func kinds() throws {
    try withLocks { first, second in
      var held = try first.acquire()
      let none = try second.tryAcquire(.shared) == nil
      #expect(none)
      try held.release()
      try held.release()
      held = try first.acquire(.shared)
      let shared = try second.tryAcquire(.shared) != nil
      let exclusive = try second.tryAcquire() != nil
      #expect((shared, exclusive) == (true, false))
      try held.release()
      let free = try second.tryAcquire() != nil
      #expect(free)
    }
  }

  @Test("ranges that do not overlap are locked by different holders, or by one")
  func ranges() throws {
    try withLocks { first, second in
      let held = try first.acquire(range: 0..<100)
      let next = try first.acquire(.shared, range: 100..<200)
      let apart = try second.tryAcquire(range: 200..<300) != nil
      let shared = try second.tryAcquire(.shared, range: 150..<250) != nil
      let overlapping = try second.tryAcquire(range: 99..<100) != nil
      let whole = try second.tryAcquire() != nil
      #expect((apart, shared, overlapping, whole) == (true, true, false, false))
      let conflict = try second.conflict(range: 50..<120)
      #expect(conflict?.kind == .exclusive)
      #expect(conflict?.start == 0)
      #expect(conflict?.byteCount == 100)
      #expect(conflict?.holder == nil)
      let nothing = try second.conflict(with: .shared, range: 100..<300)
      #expect(nothing == nil)
      _ = consume held
      _ = consume next
    }
  }

  @Test("a lock of the older kind is reported with its holder")
  func conflictOfAProcess() throws {
    let file = try TemporaryFile()
    let raw = open(file.path.string, O_RDWR)
    defer { close(raw) }
    #expect(lockf(raw, F_LOCK, 0) == 0)
    let lock = try FileLock(opening: file.path)
    let conflict = try lock.conflict()
    #expect(conflict?.holder == getpid())
    #expect(conflict?.byteCount == nil)
  }

  @Test("waiting ends with a timeout, or when the lock is released")
  func waiting() throws {
    let file = try TemporaryFile()
    let path = file.path
    let first = try FileLock(opening: path)
    var held = try first.acquire()
    let error = #expect(throws: InterprocessError.self) {
      _ = try FileLock(opening: path).acquire(timeout: .milliseconds(20))
    }
    #expect(error?.isTimeout == true)
    for timeout in [generous, nil] {
      let waiter = Background { try FileLock(opening: path).withLock(timeout: timeout) { 5 } }
      usleep(20_000)
      try held.release()
      #expect(try waiter.value(timeout: generous) == 5)
      held = try first.acquire(timeout: generous)
    }
  }

  @Test("one value refuses to lock what it has locked, and bodies that throw let go")
  func overlapping() throws {
    struct Stop: Error {}
    try withLocks { first, second in
      try first.withLock(range: 0..<10) {
        let error = #expect(throws: InterprocessError.self) { _ = try first.tryAcquire(.shared, range: 9..<20) }
        #expect(error?.errno == .deadlock)
        #expect(error?.remedy?.contains("open the file once more") == true)
      }
      #expect(throws: Stop.self) { try first.withLock { throw Stop() } }
      let free = try second.tryAcquire() != nil
      #expect(free)
    }
  }

  @Test("a lock is held on though the value that gave it is gone")
  func outlives() throws {
    let file = try TemporaryFile()
    let second = try FileLock(opening: file.path)
    do {
      let held = try FileLock(opening: file.path).acquire()
      let taken = try second.tryAcquire() != nil
      #expect(!taken)
      _ = consume held
    }
    let free = try second.tryAcquire() != nil
    #expect(free)
  }

  @Test("a FIFO in the place of a file keeps nobody waiting", .blocking)
  func fifo() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("fifo")
    try NamedPipe.create(at: path)
    let locking = Background { _ = try FileLock(opening: path, readOnly: true).tryAcquire(.shared) }
    #expect(throws: Never.self) { try locking.value(timeout: generous) }
    let mapping = Background { _ = try MappedFile(opening: path, readOnly: true) }
    #expect(throws: InterprocessError.self) { try mapping.value(timeout: generous) }
  }

  @Test("each refusal names its remedy")
  func errors() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path.appending("lock")
    let none = #expect(throws: InterprocessError.self) { _ = try FileLock(opening: path) }
    #expect(none?.errno == .noSuchFileOrDirectory)
    let lock = try FileLock(creatingIfAbsent: path)
    let readOnly = try FileLock(opening: path, readOnly: true)
    let error = #expect(throws: InterprocessError.self) { _ = try readOnly.acquire() }
    #expect(error?.errno == .badFileDescriptor)
    #expect(error?.remedy?.hasPrefix("an exclusive lock needs a file open for writing") == true)
    let shared = try readOnly.tryAcquire(.shared) != nil
    #expect(shared)
    for range in [-1..<5, 3..<3] {
      let error = #expect(throws: InterprocessError.self) { _ = try lock.acquire(range: range) }
      #expect(error?.errno == .invalidArgument)
      let conflict = #expect(throws: InterprocessError.self) { _ = try lock.conflict(range: range) }
      #expect(conflict?.errno == .invalidArgument)
    }
    let adopted = FileLock(adopting: OwnedDescriptor(adopting: open(path.string, O_RDWR)))
    let taken = try adopted.tryAcquire() != nil
    #expect(taken)
  }

  @Test("the kernel releases the lock of a holder that is killed, and whoever waits goes on")
  func killed() throws {
    #expect(
      try facts("file-lock") == [
        "taken: false", "holder: nil", "timed out: true", "acquired", "was killed by signal 9 (SIGKILL)",
      ])
  }

  @Test("a child forked with the lock shares it; releasing it releases it for both")
  func inherited() throws {
    #expect(try facts("file-lock-inherited") == ["taken: false", "taken: true"])
  }
}
