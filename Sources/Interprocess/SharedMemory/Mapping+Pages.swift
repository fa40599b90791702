import CInterprocess
import Glibc
import SystemPackage

extension Mapping {
  /// What may be done with the memory.
  public enum Protection: Hashable, Sendable {
    case readOnly
    case readWrite
  }

  /// Lets this process write to the memory, or no longer.
  ///
  /// Other processes that map it are not concerned. Writing to what is read-only ends the process with SIGSEGV.
  ///
  /// The corresponding C function is `mprotect`.
  ///
  /// - Throws: `Errno.permissionDenied` for writing to what was opened read-only; `Errno.resourceBusy` when a
  ///   ``SharedMutex``, a ``SharedCondition`` or an ``UnnamedSemaphore`` of this process lies in memory that is to become
  ///   read-only: using it would be a SIGSEGV.
  public mutating func protect(_ protection: Protection) throws(InterprocessError) {
    if protection == .readOnly, !isKnownUniquelyReferenced(&region) {
      throw InterprocessError(
        call: "mprotect", object: described, errno: .resourceBusy, remedy: "locks of this process lie in this memory")
    }
    func remedy(_ reason: Errno) -> String? {
      reason == .permissionDenied ? "it was opened for reading only" : nil
    }
    let flags = protection == .readOnly ? PROT_READ : PROT_READ | PROT_WRITE
    try systemCall("mprotect", described, remedy: remedy) { mprotect(region.start, byteCount, flags) }
    isReadOnly = protection == .readOnly
  }

  /// Whether ``sync(_:in:)`` waits.
  public enum Synchronization: Hashable, Sendable {
    /// Until the bytes are on the disk.
    case waiting
    /// No longer than it takes to tell the kernel, which on Linux writes them when it sees fit anyway.
    case scheduling
  }

  /// Writes what was changed to the file behind the memory, for a ``MappedFile``; for other memory there is nothing to
  /// do. Processes that map the file see changes at once in any case: this is for the day the machine fails.
  ///
  /// The corresponding C function is `msync` with `MS_SYNC` or `MS_ASYNC`.
  ///
  /// - Parameter range: which bytes, widened to whole pages; `nil` for all.
  /// - Throws: `Errno.ioError` when the disk failed; `Errno.invalidArgument` for a range outside the memory.
  public func sync(
    _ synchronization: Synchronization = .waiting, in range: Range<Int>? = nil
  ) throws(InterprocessError) {
    let pages = try pages(of: range, for: "msync")
    let flags = CInt(synchronization == .waiting ? MS_SYNC : MS_ASYNC)
    try systemCall("msync", described) { msync(pages.baseAddress, pages.count, flags) }
  }

  /// How memory is going to be used.
  public enum Advice: Hashable, Sendable {
    /// Nothing special.
    case normal
    /// From beginning to end: read ahead generously.
    case sequential
    /// Here and there: do not read ahead.
    case random
    /// Soon: read it in now.
    case willNeed
    /// Not soon: let this process's pages go. What is in shared memory or in a file stays there.
    case dontNeed
    /// In large pieces: use huge pages where the kernel has them for this kind of memory.
    case hugePages
    /// Use no huge pages.
    case noHugePages

    fileprivate var raw: CInt {
      switch self {
      case .normal: MADV_NORMAL
      case .sequential: MADV_SEQUENTIAL
      case .random: MADV_RANDOM
      case .willNeed: MADV_WILLNEED
      case .dontNeed: MADV_DONTNEED
      case .hugePages: MADV_HUGEPAGE
      case .noHugePages: MADV_NOHUGEPAGE
      }
    }
  }

  /// Tells the kernel how the memory is going to be used. It never changes what is in it.
  ///
  /// The corresponding C function is `madvise`.
  ///
  /// - Parameter range: which bytes, widened to whole pages; `nil` for all.
  /// - Throws: `Errno.invalidArgument` for a range outside the memory, for letting go what is locked in RAM, and for
  ///   huge pages where the kernel was built without.
  public func advise(_ advice: Advice, in range: Range<Int>? = nil) throws(InterprocessError) {
    let pages = try pages(of: range, for: "madvise")
    func remedy(_ reason: Errno) -> String? {
      guard reason == .invalidArgument else { return nil }
      return advice == .dontNeed
        ? "pages that are locked in RAM cannot go; unlock them first"
        : "this kernel has no huge pages for this memory; see /sys/kernel/mm/transparent_hugepage"
    }
    try systemCall("madvise", described, remedy: remedy) { madvise(pages.baseAddress, pages.count, advice.raw) }
  }

  /// Keeps the memory in RAM: it is read in now, and not swapped out until ``unlockFromRAM(in:)`` or until it is
  /// unmapped. Locks do not add up: one unlock undoes them all.
  ///
  /// The corresponding C function is `mlock`.
  ///
  /// - Parameter range: which bytes, widened to whole pages; `nil` for all.
  /// - Throws: `Errno.noMemory` or `Errno.notPermitted` past `RLIMIT_MEMLOCK`; `Errno.invalidArgument` for a range
  ///   outside the memory.
  public func lockInRAM(in range: Range<Int>? = nil) throws(InterprocessError) {
    let pages = try pages(of: range, for: "mlock")
    func remedy(_ reason: Errno) -> String? {
      guard [.noMemory, .notPermitted, .resourceTemporarilyUnavailable].contains(reason) else { return nil }
      let limit = ResourceLimit.lockedMemoryBytes.current.map { " (\($0))" } ?? ""
      return "\(pages.count) bytes and what is locked already pass RLIMIT_MEMLOCK\(limit); raise it with ulimit -l"
    }
    try systemCall("mlock", described, remedy: remedy) { mlock(pages.baseAddress ?? region.start, pages.count) }
  }

  /// Lets the memory be swapped out again.
  ///
  /// The corresponding C function is `munlock`.
  ///
  /// - Parameter range: which bytes, widened to whole pages; `nil` for all.
  public func unlockFromRAM(in range: Range<Int>? = nil) throws(InterprocessError) {
    let pages = try pages(of: range, for: "munlock")
    try systemCall("munlock", described) { munlock(pages.baseAddress ?? region.start, pages.count) }
  }

  var described: String { "\(byteCount) bytes" }

  /// The whole pages that a range lies in.
  func pages(
    of range: Range<Int>?, for call: StaticString
  ) throws(InterprocessError) -> UnsafeMutableRawBufferPointer {
    let range = range ?? 0..<byteCount
    guard range.lowerBound >= 0, range.upperBound <= byteCount else {
      throw .refused(call, "bytes \(range)", "the memory has \(byteCount) bytes")
    }
    let first = range.lowerBound / Self.pageSize * Self.pageSize
    return UnsafeMutableRawBufferPointer(start: region.start + first, count: range.upperBound - first)
  }
}
