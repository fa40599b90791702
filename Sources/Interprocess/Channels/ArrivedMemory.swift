import Synchronization
import SystemPackage

/// Sealed memory whose descriptor came in a message, mapped.
final class ArrivedMemory: Sendable {
  let region: MappedRegion
  let isReadOnly: Bool
  let passable: PassableDescriptor

  init(_ descriptor: consuming OwnedDescriptor) throws(InterprocessError) {
    let memory = try AnonymousMemory(adopting: descriptor)
    region = memory.mapping.region
    isReadOnly = memory.mapping.isReadOnly
    passable = PassableDescriptor(memory.takeDescriptor())
  }
}

/// The memory that came last, kept mapped for a moment: what comes with one call after the other is mapped once.
package final class RecentMemory: Sendable {
  private struct Entry {
    /// Nothing else is this file as long as it is mapped.
    let device: DeviceID
    let inode: Inode
    let memory: ArrivedMemory
    var lastUse: Int64
  }

  /// A call has an input and an output, perhaps, and something to look things up in.
  private static let most = 4
  private static let longestRest: Int64 = 1_000_000_000

  /// That of the latest use last.
  private let entries = Mutex<[Entry]>([])

  package init() {}

  /// The memory behind a descriptor, which is closed where that is mapped already.
  func memory(of descriptor: consuming OwnedDescriptor) throws(InterprocessError) -> ArrivedMemory {
    let status = try descriptor.status("descriptor \(descriptor.rawValue)")
    if let known = known(status.deviceID, status.inode) { return known }
    let memory = try ArrivedMemory(descriptor)
    let new = Entry(device: status.deviceID, inode: status.inode, memory: memory, lastUse: MonotonicTime.now)
    // Unmapped with no lock held.
    let old = entries.withLock { entries in
      entries.append(new)
      return entries.count > Self.most ? entries.removeFirst() : nil
    }
    withExtendedLifetime(old) {}
    return memory
  }

  private func known(_ device: DeviceID, _ inode: Inode) -> ArrivedMemory? {
    entries.withLock { entries in
      guard let index = entries.lastIndex(where: { $0.inode == inode && $0.device == device }) else { return nil }
      var entry = entries.remove(at: index)
      entry.lastUse = MonotonicTime.now
      entries.append(entry)
      return entry.memory
    }
  }

  /// How long what has rested longest may be kept without a use; `nil` where there is none. What is past that is let go.
  package func rest() -> Duration? {
    let (left, old) = entries.withLock { entries -> (Duration?, [Entry]) in
      if entries.isEmpty { return (nil, []) }
      let latest = MonotonicTime.now - Self.longestRest
      let old = entries.prefix { $0.lastUse <= latest }
      entries.removeFirst(old.count)
      return (entries.first.map { .nanoseconds($0.lastUse - latest) }, Array(old))
    }
    withExtendedLifetime(old) {}
    return left
  }
}
