import CInterprocess
import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Shared memory in which the workers of a pool say what they are doing: for whoever looks, and for the pool when one has
/// died. It begins with `SwPool01`, the pool's process id, how many slots follow, how many workers have died of themselves
/// in all, and how many bytes a slot has, 8 bytes each.
///
/// Head and slots have pages of their own, of which a worker has its slot's alone. There stand: the process id, the state,
/// the id of the call, how many calls were done, how many workers have died in this slot, when the call began (nanoseconds
/// of CLOCK_MONOTONIC), 8 bytes each; and the call's name in UTF-8, 80 bytes, zeros behind. It is only information: the
/// pool decides nothing by it.
struct StatusPage: ~Copyable, Sendable {
  static let mark = UInt64(bigEndian: 0x5377_506F_6F6C_3031)  // "SwPool01"
  static let label = "interprocess-pool"
  /// Where the head says how many workers have died of themselves in all.
  static let crashesOffset = 24
  /// Where it says how many bytes a slot has, and the head.
  static let slotSizeOffset = 32

  enum Field: Int {
    case process = 0
    case state = 8
    case call = 16
    case callsDone = 24
    case crashes = 32
    case began = 40
    case name = 48
  }

  static let nameSize = 80

  enum State: UInt64 {
    case absent
    case starting
    case idle
    case busy
  }

  private let mapping: Mapping

  static func create(slots: Int, process: CInt) throws(InterprocessError) -> AnonymousMemory {
    let memory = try AnonymousMemory(byteCount: (1 + slots) * Mapping.pageSize, label: label)
    try memory.mapping.withAtomic(UInt64.self, at: 8) { $0.store(UInt64(process), ordering: .relaxed) }
    try memory.mapping.withAtomic(UInt64.self, at: 16) { $0.store(UInt64(slots), ordering: .relaxed) }
    try memory.mapping.withAtomic(UInt64.self, at: slotSizeOffset) {
      $0.store(UInt64(Mapping.pageSize), ordering: .relaxed)
    }
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

  private func offset(_ field: Field, _ slot: Int) -> Int { (1 + slot) * Mapping.pageSize + field.rawValue }

  /// A worker's slot: its page, mapped for as long as the process lives.
  struct Slot: @unchecked Sendable {
    // Sendable: the words are atomic.
    private let words: UnsafePointer<Atomic<UInt64>>

    /// - Throws: `Errno.invalidArgument` when there is no such slot.
    init(_ slot: Int, of memory: borrowing OwnedDescriptor) throws(InterprocessError) {
      let page = Mapping.pageSize
      var status = stat()
      guard fstat(memory.rawValue, &status) == 0, slot >= 0, slot < Int(status.st_size) / page - 1 else {
        throw InterprocessError(call: "mmap", object: "slot \(slot) of the pool", errno: .invalidArgument)
      }
      guard
        let start = mmap(nil, page, PROT_READ | PROT_WRITE, MAP_SHARED, memory.rawValue, off_t((1 + slot) * page)),
        start != MAP_FAILED
      else { throw InterprocessError(call: "mmap", object: "slot \(slot) of the pool", errno: .current) }
      words = UnsafePointer(start.assumingMemoryBound(to: Atomic<UInt64>.self))
    }

    @inline(__always)
    func set(_ field: Field, _ value: UInt64) { words[field.rawValue / 8].store(value, ordering: .relaxed) }

    @inline(__always)
    func noteCallDone() {
      // Nobody else writes it.
      set(.callsDone, words[Field.callsDone.rawValue / 8].load(ordering: .relaxed) &+ 1)
    }

    /// What does not fit is cut off.
    func setName(_ name: String) {
      let bytes = Array(name.utf8.prefix(nameSize))
      for start in stride(from: 0, to: nameSize, by: 8) {
        let word = bytes.dropFirst(start).prefix(8).enumerated().reduce(UInt64(0)) { word, byte in
          word | UInt64(byte.element) << (8 * UInt64(byte.offset))
        }
        words[(Field.name.rawValue + start) / 8].store(word.littleEndian, ordering: .relaxed)
      }
    }
  }
}
