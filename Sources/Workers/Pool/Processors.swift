import CInterprocess
import Glibc
import Interprocess

/// The processors that this process may use.
enum Processors {
  /// As many as its affinity allows, or fewer where its control group's quota does not pay for them.
  static var available: Int {
    let byAffinity = Int(ci_allowed_processors())
    return max(1, min(byAffinity, quota ?? byAffinity))
  }

  static let atStart = available

  /// What `cpu.max` of the control group (version 2) pays for, rounded up; `nil` where there is no quota.
  private static var quota: Int? {
    guard let text = try? SmallFile.text("/sys/fs/cgroup/cpu.max") else { return nil }
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), period > 0 else { return nil }
    return (quota + period - 1) / period
  }
}

/// A file of the kernel's, which says little.
enum SmallFile {
  static func text(_ path: String) throws -> String? {
    let descriptor = OwnedDescriptor(adopting: open(path, O_RDONLY | O_CLOEXEC))
    guard !descriptor.isClosed else { return nil }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor.rawValue, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
