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

  /// What `cpu.max` of this process's control group (version 2) and of those above it pay for, rounded up; `nil` where
  /// there is no quota.
  private static var quota: Int? {
    let own = (try? SmallFile.text("/proc/self/cgroup")) ?? ""
    return groups(in: own).compactMap { group in
      (try? SmallFile.text("/sys/fs/cgroup\(group)/cpu.max")).flatMap { $0.flatMap(processors(paidBy:)) }
    }.min()
  }

  /// The control group of version 2 that `/proc/self/cgroup` names, and those above it, the topmost first.
  static func groups(in text: String) -> [String] {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return [""] }
    var groups = [""]
    for name in line.dropFirst(4).split(separator: "/") { groups.append("\(groups[groups.count - 1])/\(name)") }
    return groups
  }

  /// What a `cpu.max` says: a quota and a period, or `max` and a period.
  static func processors(paidBy text: String) -> Int? {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), quota > 0, period > 0 else {
      return nil
    }
    return (quota - 1) / period + 1
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
