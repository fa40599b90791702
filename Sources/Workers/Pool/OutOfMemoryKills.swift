import Interprocess

/// How often the kernel has killed a process of this process's control group, and so maybe a worker, for want of memory.
struct OutOfMemoryKills: Sendable {
  private let path: String?
  private var seen: Int

  /// Of the group that this process is in.
  init() { self.init(path: Self.paths.first { Self.count($0) != nil }) }

  /// - Parameter path: a file with a line `oom_kill N`.
  init(path: String?) {
    self.path = path
    seen = path.flatMap(Self.count) ?? 0
  }

  /// Whether there was one that nobody has asked about yet: each answers for one death.
  mutating func takeOne() -> Bool {
    guard let path, let count = Self.count(path), count > seen else { return false }
    seen += 1
    return true
  }

  private static func count(_ path: String) -> Int? {
    guard let text = try? SmallFile.text(path) else { return nil }
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "oom_kill" { return Int(words[1]) }
    }
    return nil
  }

  /// Where the count may be: in version 2 and 1 of control groups, each mounted whole or, in a container, from the
  /// group itself.
  private static var paths: [String] {
    guard let groups = try? SmallFile.text("/proc/self/cgroup") else { return [] }
    return groups.split(separator: "\n").flatMap { line -> [String] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let group = fields[2] == "/" ? "" : String(fields[2])
      if fields[0] == "0" {
        return [group, ""].map { "/sys/fs/cgroup\($0)/memory.events" }
      }
      guard fields[1].split(separator: ",").contains("memory") else { return [] }
      return [group, ""].map { "/sys/fs/cgroup/memory\($0)/memory.oom_control" }
    }
  }
}
