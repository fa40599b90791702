import Interprocess

/// What a process has in memory.
enum ProcessMemory {
  /// Resident bytes that are its own alone: what it shares with its pool, the arena and the channel, does not count.
  static func ownBytes(of process: CInt) -> Int? {
    guard let text = try? SmallFile.text("/proc/\(process)/statm") else { return nil }
    // All, resident, and of that shared, in pages.
    let fields = text.split(separator: " ").dropFirst().prefix(2).compactMap { Int($0) }
    return fields.count == 2 ? (fields[0] - fields[1]) * Mapping.pageSize : nil
  }
}
