import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// A worker's side of the pool's ``Arena``: the blocks it has been given, and the arrays that lie in them.
final class WorkerArena: Sendable {
  private struct State: Emptiable {
    var blocks: [UInt64: LentMemory] = [:]
    /// Will not be used, and have not come.
    var dropped: Set<UInt64> = []
    /// Have come, and could not be mapped.
    var failed: [UInt64: InterprocessError] = [:]
    /// Of those, the ones that the call which runs has asked for.
    var missed: [UInt64] = []
    /// Of the call that runs.
    var loans: [Loan] = []
    /// Outlived their call: the worker's code has stored the array.
    var kept: [Loan] = []

    /// Whether nothing is to be taken back.
    var isEmpty: Bool { loans.isEmpty && kept.isEmpty && missed.isEmpty }
  }

  private let state = Mutex(State())
  private let mark = FillMark()
  /// Has what the pool sent about blocks read, until the condition holds or patience ends.
  private let awaitBlocks: @Sendable (() -> Bool) -> Bool

  @TaskLocal static var current: WorkerArena?

  init(awaitBlocks: @escaping @Sendable (() -> Bool) -> Bool) { self.awaitBlocks = awaitBlocks }

  func adopt(_ block: UInt64, _ descriptor: consuming OwnedDescriptor) {
    do throws(InterprocessError) {
      let memory = try LentMemory(descriptor)
      state.withLock(marking: mark) { if $0.dropped.remove(block) == nil { $0.blocks[block] = memory } }
    } catch {
      state.withLock(marking: mark) { if $0.dropped.remove(block) == nil { $0.failed[block] = error } }
    }
  }

  func drop(_ block: UInt64) {
    // Unmapped after the lock.
    _ = state.withLock(marking: mark) { state in
      let memory = state.blocks.removeValue(forKey: block)
      if memory == nil, state.failed.removeValue(forKey: block) == nil { state.dropped.insert(block) }
      return memory
    }
  }

  /// The array in a block.
  func array<Elements: PlainArray>(_: Elements.Type, in block: UInt64, byteCount: Int) throws -> Elements {
    let memory = try memory(of: block)
    guard byteCount > 0, byteCount <= memory.bytes.count else { throw FrameReader.Malformed() }
    guard let (array, holder) = Elements.lent(by: memory, byteCount: byteCount) else {
      return Elements(copying: UnsafeRawBufferPointer(rebasing: memory.bytes[..<byteCount]))
    }
    let loan = Loan(block, memory, holder)
    state.withLock(marking: mark) { $0.loans.append(loan) }
    return array
  }

  private func memory(of block: UInt64) throws -> LentMemory {
    func found() -> Result<LentMemory, InterprocessError>? {
      state.withLock(marking: mark) { state in
        state.blocks[block].map { .success($0) } ?? state.failed[block].map { .failure($0) }
      }
    }
    guard awaitBlocks({ found() != nil }), let memory = found() else {
      state.withLock(marking: mark) { state in
        state.missed.append(block)
        // In case it comes late.
        state.dropped.insert(block)
      }
      throw WorkerCallError("an array's memory did not reach the worker; it may have no descriptor left (openFiles)")
    }
    if case .failure = memory {
      state.withLock(marking: mark) { state in
        state.failed[block] = nil
        state.missed.append(block)
      }
    }
    return try memory.get()
  }

  /// The call is over: takes back what it has let go.
  ///
  /// - Returns: the blocks whose arrays the worker's code has stored; they are the worker's from now on. And those that it
  ///   does not have: they are to be sent anew.
  func endCall() -> [UInt64] {
    if mark.isEmpty { return [] }
    return state.withLock(marking: mark) { state in
      defer { state.missed = [] }
      state.kept.removeAll { $0.isOver }
      let stored = state.loans.filter { !$0.isOver }
      state.loans = []
      state.kept += stored
      for loan in stored { state.blocks[loan.block] = nil }
      return stored.map(\.block) + state.missed
    }
  }
}

/// An array that lies in a block.
private final class Loan: @unchecked Sendable {
  // Sendable: used behind the arena's lock; the object is only counted here, which is atomic.

  let block: UInt64
  private let memory: LentMemory
  private var holder: AnyObject?

  init(_ block: UInt64, _ memory: LentMemory, _ holder: AnyObject) {
    self.block = block
    self.memory = memory
    self.holder = holder
  }

  /// Whether nobody else has the array any more. Nobody can come to have it again.
  var isOver: Bool { isKnownUniquelyReferenced(&holder) }

  // The array's object goes before its memory does.
  deinit { holder = nil }
}
