public import CInterprocess
import Glibc
import SystemPackage

/// The open file behind a ``FileLock`` and the locks it has given, closed when the last of them has gone.
@usableFromInline
final class LockedFile: Sendable {
  @usableFromInline let descriptor: OwnedDescriptor
  private let name: String

  /// What is locked through this descriptor, or is about to be.
  @usableFromInline let held = HeldRanges()

  init(_ descriptor: consuming OwnedDescriptor, _ name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  /// Locks the whole file where that takes no care.
  ///
  /// - Returns: whether it is locked; where it is not, ``reserve(_:)`` and ``lock(_:_:by:)`` say why.
  @inlinable
  func locksEverything(_ type: CShort) -> Bool {
    guard held.insertEverything() else { return false }
    if _fastPath(ci_ofd_lock(descriptor.rawValue, type, 0, 0, true) == 0) { return true }
    held.removeEverything()
    return false
  }

  /// - Returns: whether it is unlocked; where it is not, ``unlock(_:)`` says why.
  @inlinable
  func unlocksEverything() -> Bool {
    guard _fastPath(ci_ofd_lock(descriptor.rawValue, CShort(F_UNLCK), 0, 0, false) == 0) else { return false }
    held.removeEverything()
    return true
  }

  func reserve(_ range: Range<Int>?) throws(InterprocessError) {
    guard try held.insert(checked(range)) else {
      throw InterprocessError(
        call: "fcntl", object: described(range), errno: .deadlock,
        remedy: "this FileLock holds a lock there already; open the file once more for another holder")
    }
  }

  func forget(_ range: Range<Int>?) { held.remove(range ?? Self.everything) }

  func tryLock(_ kind: FileLock.Kind, _ range: Range<Int>?) throws(InterprocessError) -> Bool {
    switch valueOrErrno({ set(kind.raw, range, waiting: false) }) {
    case .success: return true
    case .failure(.wouldBlock), .failure(.permissionDenied): return false
    case .failure(let reason): throw error(reason, range)
    }
  }

  func lock(_ kind: FileLock.Kind, _ range: Range<Int>?, by deadline: Deadline) throws(InterprocessError) {
    let result: Result<Int, Errno>
    if deadline.isNever {
      result = valueOrErrno { set(kind.raw, range, waiting: true) }
    } else {
      // Mostly it is free, and needs no timer.
      if try tryLock(kind, range) { return }
      result = InterruptTimer.call(until: deadline) { set(kind.raw, range, waiting: true) }
    }
    guard case .failure(let reason) = result else { return }
    throw error(reason, range)
  }

  func unlock(_ range: Range<Int>?) throws(InterprocessError) {
    let result = valueOrErrno { set(CShort(F_UNLCK), range, waiting: false) }
    // Only now: before, somebody else could lock the range here, and lose it again.
    forget(range)
    guard case .failure(let reason) = result else { return }
    throw error(reason, range)
  }

  func conflict(_ kind: FileLock.Kind, _ range: Range<Int>?) throws(InterprocessError) -> FileLock.Conflict? {
    _ = try checked(range)
    var type = kind.raw
    var start: off_t = range?.lowerBound ?? 0
    var length: off_t = range?.count ?? 0
    var holder: pid_t = 0
    try systemCall("fcntl", described(range)) {
      ci_ofd_conflict(descriptor.rawValue, &type, &start, &length, &holder)
    }
    if type == CShort(F_UNLCK) { return nil }
    return FileLock.Conflict(
      kind: type == CShort(F_RDLCK) ? .shared : .exclusive, start: start, byteCount: length == 0 ? nil : length,
      holder: holder > 0 ? holder : nil)
  }

  private func checked(_ range: Range<Int>?) throws(InterprocessError) -> Range<Int> {
    let bytes = range ?? Self.everything
    guard bytes.lowerBound >= 0, !bytes.isEmpty else {
      throw .refused("fcntl", described(range), "a range has 1 byte or more, none of them before 0")
    }
    return bytes
  }

  @inline(__always)
  private func set(_ type: CShort, _ range: Range<Int>?, waiting: Bool) -> Int {
    // A length of 0 is everything from the start.
    Int(ci_ofd_lock(descriptor.rawValue, type, range?.lowerBound ?? 0, range?.count ?? 0, waiting))
  }

  private func error(_ reason: Errno, _ range: Range<Int>?) -> InterprocessError {
    let remedy: String? =
      switch reason {
      case .badFileDescriptor: "an exclusive lock needs a file open for writing, a shared one a file open for reading"
      case .noLocks: "the machine has as many file locks as it can"
      default: nil
      }
    return InterprocessError(call: "fcntl", object: described(range), errno: reason, remedy: remedy)
  }

  private func described(_ range: Range<Int>?) -> String {
    range.map { "\(name), bytes \($0.lowerBound)..<\($0.upperBound)" } ?? name
  }

  private static let everything = HeldRanges.everything
}
