import CInterprocess
import Glibc
import SystemPackage

extension OwnedDescriptor {
  /// The size of the file or memory in bytes.
  func size(_ object: @autoclosure () -> String) throws(InterprocessError) -> Int {
    var status = stat()
    try systemCall("fstat", object()) { fstat(rawValue, &status) }
    return Int(status.st_size)
  }

  /// Gives the file or memory `byteCount` bytes for certain: a full file system is an error now, and not a SIGBUS at the
  /// first access.
  func allocate(_ byteCount: Int, _ object: @autoclosure () -> String) throws(InterprocessError) {
    guard byteCount > 0 else { throw .refused("fallocate", object(), "\(byteCount) bytes; ask for at least 1") }
    func remedy(_ reason: Errno) -> String? {
      switch reason {
      case .noSpace: "no room for \(byteCount) bytes; df tells how full it is, /dev/shm for shared memory"
      case .fileTooLarge: "\(byteCount) bytes are more than a file may have"
      default: nil
      }
    }
    try systemCall("ftruncate", object(), remedy: remedy) { ftruncate(rawValue, byteCount) }
    let result = valueOrErrno { ci_fallocate(rawValue, byteCount) }
    guard case .failure(let reason) = result else { return }
    // A file system without fallocate keeps what ftruncate gave.
    if reason == .notSupported { return }
    throw InterprocessError(call: "fallocate", object: object(), errno: reason, remedy: remedy(reason))
  }
}
