import CInterprocess
import Glibc
public import Synchronization
import SystemPackage

/// Memory that other processes see too, unmapped when its owner goes, and whatever lies in it: a ``SharedMutex``, a
/// ``SharedCondition``, an ``UnnamedSemaphore``.
///
/// ``POSIXSharedMemory``, ``SystemVSharedMemory``, ``AnonymousMemory`` and ``MappedFile`` each give one. Its bytes change
/// under the reader whenever a peer writes: what a peer that is not trusted has written is copied first and checked
/// then.
public struct Mapping: ~Copyable, @unchecked Sendable {
  // Sendable: the pointer is this value's alone, and what several processes do to the memory behind it is theirs to
  // order, with atomics, semaphores or locks, whichever thread they do it from.

  var region: MappedRegion

  private var start: UnsafeMutableRawPointer { region.start }

  /// Its size in bytes, as it was asked for; the kernel maps whole pages.
  public var byteCount: Int { region.byteCount }

  /// Whether it may be read only; writing to it then ends the process with SIGSEGV.
  public internal(set) var isReadOnly: Bool

  /// The size of a page in bytes: memory is mapped, protected, written back and locked by whole pages.
  ///
  /// The corresponding C function is `sysconf` with `_SC_PAGESIZE`.
  public static let pageSize = sysconf(CInt(_SC_PAGESIZE))

  /// Maps `byteCount` bytes of a descriptor's file or memory, shared with everybody else who maps them.
  ///
  /// The corresponding C function is `mmap` with `MAP_SHARED`. The descriptor may be closed afterwards.
  init(of descriptor: borrowing OwnedDescriptor, byteCount: Int, readOnly: Bool, _ object: @autoclosure () -> String)
    throws(InterprocessError)
  {
    guard byteCount > 0 else { throw .refused("mmap", object(), "there are no bytes to map") }
    let address = mmap(
      nil, byteCount, readOnly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.rawValue, 0)
    guard let address, address != MAP_FAILED else {
      let reason = Errno.current
      throw InterprocessError(call: "mmap", object: object(), errno: reason, remedy: mappingRemedy(for: reason))
    }
    self.init(adopting: address, byteCount: byteCount, readOnly: readOnly, isSystemV: false)
  }

  /// Takes over memory that `mmap` or `shmat` gave.
  init(adopting start: UnsafeMutableRawPointer, byteCount: Int, readOnly: Bool, isSystemV: Bool) {
    region = MappedRegion(start: start, byteCount: byteCount, isSystemV: isSystemV)
    isReadOnly = readOnly
  }

  /// The memory, to read.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = unsafe RawSpan(_unsafeStart: start, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The memory, to read and write. It is empty when the mapping is read-only.
  public var mutableBytes: MutableRawSpan {
    @_lifetime(&self)
    mutating get {
      let span = unsafe MutableRawSpan(_unsafeStart: start, byteCount: isReadOnly ? 0 : byteCount)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }

  /// Calls `body` with the address and size of the memory, which are valid until it returns.
  public func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeMutableRawBufferPointer(start: start, count: byteCount))
  }
}

extension Mapping {
  /// Calls `body` with the atomic number that lies at `offset`, the same for every process that maps it.
  ///
  /// - Throws: `Errno.invalidArgument` when it does not lie within the memory, aligned to its size, or the memory is
  ///   read-only.
  public func withAtomic<Value: AtomicRepresentable, Result>(
    _: Value.Type, at offset: Int, _ body: (borrowing Atomic<Value>) -> Result
  ) throws(InterprocessError) -> Result {
    let pointer = try address(of: Atomic<Value>.self, at: offset)
    return body(pointer.pointee)
  }

  /// Waits while the 32-bit number at `offset` is `value`, until ``wake(at:count:)`` is called for it.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAIT`. It may return early, so look at the number again.
  ///
  /// - Throws: `Errno.timedOut` when `timeout` passed first; `Errno.invalidArgument` for an offset outside the memory or not divisible by 4.
  public func wait(at offset: Int, while value: UInt32, timeout: Duration? = nil) throws(InterprocessError) {
    let word = try address(of: UInt32.self, at: offset)
    let result = Deadline(timeout).withRemaining { left in
      ci_futex_wait(word, value, left) == -1 ? Errno.current : Errno(rawValue: 0)
    }
    switch result {
    // The number had changed already, or a signal came: both mean "look again".
    case Errno(rawValue: 0), .wouldBlock, .interrupted: return
    default: throw InterprocessError(call: "futex", object: "offset \(offset)", errno: result)
    }
  }

  /// Wakes processes that wait for the number at `offset`, at most `count` of them.
  ///
  /// The corresponding system call is `futex` with `FUTEX_WAKE`.
  ///
  /// - Returns: how many were waiting and woke.
  @discardableResult
  public func wake(at offset: Int, count: Int = .max) throws(InterprocessError) -> Int {
    let word = try address(of: UInt32.self, at: offset)
    return Int(try systemCall("futex", "offset \(offset)") { ci_futex_wake(word, CInt(clamping: count)) })
  }

  func address<Value: ~Copyable>(
    of type: Value.Type, at offset: Int
  ) throws(InterprocessError) -> UnsafeMutablePointer<Value> {
    let size = MemoryLayout<Value>.size
    guard offset >= 0, byteCount - size >= offset, offset % size == 0, !isReadOnly else {
      throw .refused(
        "Mapping", "offset \(offset)",
        isReadOnly ? "the memory is read-only" : "offsets are multiples of \(size) within the \(byteCount) bytes")
    }
    return (start + offset).assumingMemoryBound(to: type)
  }
}

/// An object whose memory can be had as a ``Mapping``, the object itself being closed.
public protocol MappedMemory: ~Copyable {
  /// Gives the memory away.
  consuming func takeMapping() -> Mapping
}

extension Mapping: MappedMemory {
  public consuming func takeMapping() -> Mapping { self }
}

/// What to do about the reasons that `mmap` fails for.
private func mappingRemedy(for reason: Errno) -> String? {
  switch reason {
  case .noMemory: "there is no room for it among this process's addresses, or it has vm.max_map_count mappings already"
  case .permissionDenied: "it was opened for reading only, or for writing only"
  case .notPermitted: "it is sealed against writing; map it read-only"
  default: nil
  }
}
