import CInterprocess
import Glibc
import SystemPackage

extension OwnedDescriptor {
  /// Size, owner, mode and times of the file or memory.
  func status(_ object: @autoclosure () -> String) throws(InterprocessError) -> Stat {
    var status = stat()
    try systemCall("fstat", object()) { fstat(rawValue, &status) }
    return Stat(rawValue: status)
  }

  /// The size of the file or memory in bytes.
  func size(_ object: @autoclosure () -> String) throws(InterprocessError) -> Int {
    Int(try status(object()).size)
  }

  /// Gives the file or memory at least `byteCount` bytes for certain: a full file system is an error now, and not a
  /// SIGBUS at the first access.
  ///
  /// It never makes anything smaller, so processes that come at once and ask for different sizes do not harm each
  /// other.
  func allocate(_ byteCount: Int, _ object: @autoclosure () -> String) throws(InterprocessError) {
    guard byteCount > 0 else { throw .refused("fallocate", object(), "\(byteCount) bytes; ask for at least 1") }
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .noSpace: "no room for \(byteCount) bytes; df tells how full it is, /dev/shm for shared memory"
      case .noMemory: "there is not so much memory: \(byteCount) bytes"
      case .diskQuotaExceeded: "this user's disk quota is used up; remove files, or have it raised"
      case .fileTooLarge: "\(byteCount) bytes are more than a file may have"
      default: resizingRemedy(for: reason)
      }
    }
    let result = valueOrErrno { ci_fallocate(rawValue, byteCount) }
    guard case .failure(let reason) = result else { return }
    guard reason == .notSupported else {
      throw InterprocessError(call: "fallocate", object: object(), errno: reason, remedy: remedy(reason))
    }
    // A file system without fallocate: at least the size is right. One after the other, as ftruncate makes smaller too;
    // unless somebody holds such a lock for reasons of their own.
    var isLocked = false
    for _ in 0..<100 where !isLocked {
      isLocked = flock(rawValue, LOCK_EX | LOCK_NB) == 0
      if !isLocked { usleep(1000) }
    }
    defer { if isLocked { _ = flock(rawValue, LOCK_UN) } }
    if try size(object()) >= byteCount { return }
    try systemCall("ftruncate", object(), remedy: remedy) { ftruncate(rawValue, byteCount) }
  }
}
