import CInterprocess
import Glibc
import SystemPackage

/// A limit that the kernel sets this process, read so that an error can name it.
package enum ResourceLimit {
  case openFiles
  case messageQueueBytes
  case lockedMemoryBytes

  /// The soft limit; `nil` where there is none.
  package var current: UInt? {
    var limit = rlimit()
    // RLIMIT_MEMLOCK is 8 and RLIMIT_MSGQUEUE 12 on every Linux; Glibc's module leaves them out.
    let result =
      switch self {
      case .openFiles: getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      case .lockedMemoryBytes: getrlimit(__rlimit_resource_t(8), &limit)
      case .messageQueueBytes: getrlimit(__rlimit_resource_t(12), &limit)
      }
    guard result == 0, limit.rlim_cur != UInt.max else { return nil }
    return UInt(limit.rlim_cur)
  }
}

/// A kernel parameter as `sysctl` names it, for example `fs.mqueue.msg_max`.
package struct KernelParameter {
  package let name: String

  package init(_ name: String) { self.name = name }

  /// The numbers it holds, `Int.max` for larger ones; empty where it cannot be read.
  package var values: [Int] {
    let path = "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return [] }
    defer { try? file.close() }
    let bytes = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
      count = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
    }
    return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap { word in
      Int(word) ?? UInt64(word).map { Int(clamping: $0) }
    }
  }

  package var value: Int? { values.first }

  /// As an error message quotes it: `fs.mqueue.msg_max (10)`.
  var described: String { value.map { "\(name) (\($0))" } ?? name }
}
