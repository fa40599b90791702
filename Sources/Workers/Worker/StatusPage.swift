import Interprocess
import Synchronization
import SystemPackage

/// A page of shared memory on which the workers of a pool say what they are doing: for whoever looks, and for the pool
/// when one has died. It begins with `SwPool01`, the pool's process id, how many slots follow, and how many workers have
/// died of themselves in all, 8 bytes each.
///
/// A slot has 128 bytes: the process id, the state, the id of the call, how many calls were done, how many workers have
/// died in this slot, when the call began (nanoseconds of CLOCK_MONOTONIC); 8 bytes each; and the call's name in UTF-8,
/// 80 bytes, zeros behind. Any worker may write on all of it, so that whatever it says is only information: the pool
/// decides nothing by it.
struct StatusPage: ~Copyable, Sendable {
  static let mark = UInt64(bigEndian: 0x5377_506F_6F6C_3031)  // "SwPool01"
  static let label = "interprocess-pool"
  /// Where the head says how many workers have died of themselves in all.
  static let crashesOffset = 24
  static let headSize = 128
  static let slotSize = 128

  enum Field: Int {
    case process = 0
    case state = 8
    case call = 16
    case callsDone = 24
    case crashes = 32
    case began = 40
    case name = 48
  }

  static let nameSize = slotSize - Field.name.rawValue

  enum State: UInt64 {
    case absent
    case starting
    case idle
    case busy
  }

  private let mapping: Mapping

  static func create(slots: Int, process: CInt) throws(InterprocessError) -> AnonymousMemory {
    let memory = try AnonymousMemory(byteCount: headSize + slots * slotSize, label: label)
    try memory.mapping.withAtomic(UInt64.self, at: 8) { $0.store(UInt64(process), ordering: .relaxed) }
    try memory.mapping.withAtomic(UInt64.self, at: 16) { $0.store(UInt64(slots), ordering: .relaxed) }
    try memory.mapping.withAtomic(UInt64.self, at: 0) { $0.store(mark, ordering: .releasing) }
    return memory
  }

  init(_ mapping: consuming Mapping) { self.mapping = mapping }

  /// Relaxed: each word stands for itself.
  func set(_ field: Field, _ value: UInt64, slot: Int) {
    try? mapping.withAtomic(UInt64.self, at: offset(field, slot)) { $0.store(value, ordering: .relaxed) }
  }

  /// Takes out what the worker that had the slot before has left there, but how many have died in it.
  func clear(_ slot: Int) {
    for field in [Field.process, .call, .callsDone, .began] { set(field, 0, slot: slot) }
  }

  func noteCrash(slot: Int) {
    add(.crashes, 1, slot: slot)
    _ = try? mapping.withAtomic(UInt64.self, at: Self.crashesOffset) { $0.wrappingAdd(1, ordering: .relaxed) }
  }

  func add(_ field: Field, _ amount: UInt64, slot: Int) {
    _ = try? mapping.withAtomic(UInt64.self, at: offset(field, slot)) { $0.wrappingAdd(amount, ordering: .relaxed) }
  }

  /// A slot's words, for as long as the page is mapped: without looking each time whether they lie in it.
  struct Slot: @unchecked Sendable {
    // Sendable: the words are atomic.
    fileprivate let words: UnsafePointer<Atomic<UInt64>>

    @inline(__always)
    func set(_ field: Field, _ value: UInt64) { words[field.rawValue / 8].store(value, ordering: .relaxed) }

    @inline(__always)
    func increment(_ field: Field) { words[field.rawValue / 8].wrappingAdd(1, ordering: .relaxed) }
  }

  /// - Throws: `Errno.invalidArgument` when there is no such slot.
  func words(of slot: Int) throws(InterprocessError) -> Slot {
    // Both ends lie in the page.
    try mapping.withAtomic(UInt64.self, at: offset(.name, slot) + Self.nameSize - 8) { _ in }
    return mapping.withUnsafeBytes {
      let start = $0.baseAddress.unsafelyUnwrapped + offset(.process, slot)
      return Slot(words: UnsafePointer(start.assumingMemoryBound(to: Atomic<UInt64>.self)))
    }
  }

  /// What does not fit is cut off.
  func setName(_ name: String, slot: Int) {
    let bytes = Array(name.utf8.prefix(Self.nameSize))
    for start in stride(from: 0, to: Self.nameSize, by: 8) {
      let word = bytes.dropFirst(start).prefix(8).enumerated().reduce(UInt64(0)) { word, byte in
        word | UInt64(byte.element) << (8 * UInt64(byte.offset))
      }
      let offset = offset(.name, slot) + start
      try? mapping.withAtomic(UInt64.self, at: offset) { $0.store(word.littleEndian, ordering: .relaxed) }
    }
  }

  private func offset(_ field: Field, _ slot: Int) -> Int { Self.headSize + slot * Self.slotSize + field.rawValue }
}
