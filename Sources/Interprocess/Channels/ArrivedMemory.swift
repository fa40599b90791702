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

/// The memory that came with the last call, kept mapped for a moment: what comes with one call after the other is mapped
/// once.
package final class RecentMemory: Sendable {
  private struct Entry {
    /// Nothing else is this file as long as it is mapped.
    let device: DeviceID
    let inode: Inode
    let memory: ArrivedMemory
    /// Whether the call that runs has brought it.
    var isCurrent = true
  }

  private struct State: Emptiable {
    /// That of the latest use last.
    var entries: [Entry] = []
    var lastCall: Int64 = 0

    var isEmpty: Bool { entries.isEmpty }

    mutating func removeAll() -> [Entry] {
      defer { entries = [] }
      return entries
    }
  }

  /// A call has an input and an output, perhaps, and something to look things up in.
  private static let most = 4
  /// What the pool's process lets go of is to be free soon: of much memory less is kept, or none.
  private static let mostBytes = 512 << 20
  private static let longestRest: Int64 = 1_000_000_000

  private let state = Mutex(State())
  private let mark = FillMark()

  package init() {}

  /// The memory behind a descriptor, which is closed where that is mapped already.
  func memory(of descriptor: consuming OwnedDescriptor) throws(InterprocessError) -> ArrivedMemory {
    let status = try descriptor.status("descriptor \(descriptor.rawValue)")
    if let known = known(status) { return known }
    let memory: ArrivedMemory
    do {
      memory = try ArrivedMemory(descriptor.copy())
    } catch {
      // There may be room without the others.
      removeAll()
      return try ArrivedMemory(descriptor)
    }
    keep(Entry(device: status.deviceID, inode: status.inode, memory: memory))
    return memory
  }

  private func known(_ status: Stat) -> ArrivedMemory? {
    state.withLock(marking: mark) { state in
      let index = state.entries.lastIndex {
        $0.inode == status.inode && $0.device == status.deviceID && $0.memory.region.byteCount == status.size
      }
      guard let index else { return nil }
      var entry = state.entries.remove(at: index)
      entry.isCurrent = true
      state.entries.append(entry)
      return entry.memory
    }
  }

  private func keep(_ new: Entry) {
    // Unmapped with no lock held.
    let old = state.withLock(marking: mark) { state in
      state.entries.append(new)
      var bytes = 0
      let kept = state.entries.reversed().prefix { entry in
        bytes += entry.memory.region.byteCount
        return bytes <= Self.mostBytes
      }
      let old = state.entries.dropLast(min(kept.count, Self.most))
      state.entries.removeFirst(old.count)
      return Array(old)
    }
    withExtendedLifetime(old) {}
  }

  /// Lets go of all.
  package func removeAll() {
    if mark.isEmpty { return }
    let old = state.withLock(marking: mark) { $0.removeAll() }
    withExtendedLifetime(old) {}
  }

  /// A call is over: what it has not brought goes.
  package func endCall() {
    if mark.isEmpty { return }
    let old = state.withLock(marking: mark) { state -> [Entry] in
      let old = state.entries.filter { !$0.isCurrent }
      state.entries.removeAll { !$0.isCurrent }
      for index in state.entries.indices { state.entries[index].isCurrent = false }
      state.lastCall = MonotonicTime.now
      return old
    }
    withExtendedLifetime(old) {}
  }

  /// How long what there is may be kept without a call; `nil` where there is none. Past that it goes.
  package func rest() -> Duration? {
    if mark.isEmpty { return nil }
    let (left, old) = state.withLock(marking: mark) { state -> (Duration?, [Entry]) in
      let left = state.lastCall + Self.longestRest - MonotonicTime.now
      return left > 0 ? (.nanoseconds(left), []) : (nil, state.removeAll())
    }
    withExtendedLifetime(old) {}
    return left
  }
}
