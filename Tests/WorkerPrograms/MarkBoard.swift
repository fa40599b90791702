import Glibc
import Interprocess
import Synchronization
import SystemPackage

/// Memory in which workers mark what they do, so that whoever kills them can prove what they were at.
///
/// Workers find it through the environment: as a descriptor of their parent's, so that nothing of it is left.
package final class MarkBoard: Sendable {
  package static let variable = "MARK_BOARD"

  /// How many workers there may be in all, one after the other.
  package static let mostWorkers = 16384
  private static let head = 64
  private static let perWorker = 24
  private static let perCall = 24

  private let mapping: Mapping
  private let descriptor: OwnedDescriptor
  package let calls: Int

  package init(calls: Int) throws {
    let size = Self.head + Self.mostWorkers * Self.perWorker + calls * Self.perCall
    let memory = try AnonymousMemory(byteCount: size, label: "marks")
    descriptor = try memory.descriptor.copy()
    mapping = memory.takeMapping()
    self.calls = calls
  }

  private init(opening path: String) throws {
    let file = try FileDescriptor.open(path, .readWrite, options: .closeOnExec)
    let memory = try AnonymousMemory(adopting: OwnedDescriptor(adopting: file.rawValue))
    descriptor = try memory.descriptor.copy()
    mapping = memory.takeMapping()
    calls = (mapping.byteCount - Self.head - Self.mostWorkers * Self.perWorker) / Self.perCall
  }

  /// The value of ``variable`` for this process's workers.
  package var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }

  /// That of the worker which this process is.
  package static let ofWorker: MarkBoard? = getenv(variable).flatMap { try? MarkBoard(opening: String(cString: $0)) }

  /// The place of the worker which this process is.
  package static let slot: Int = {
    guard let board = ofWorker else { return 0 }
    let slot = board.add(1, at: 0) - 1
    board.store(Int(getpid()), at: place(worker: slot))
    return slot
  }()

  // MARK: What workers mark

  /// - Returns: which attempt it is, from 1.
  package func begin(_ call: Int, slot: Int) -> Int {
    store(call + 1, at: Self.place(worker: slot) + 8)
    return begin(call)
  }

  /// The same, of what is no worker's call.
  @discardableResult
  package func begin(_ call: Int) -> Int {
    store(Int(getpid()), at: place(call: call) + 16)
    return add(1, at: place(call: call))
  }

  /// The worker is about to die of itself.
  package func noteDeath(slot: Int) { store(1, at: Self.place(worker: slot) + 16) }

  package func end(_ call: Int, slot: Int) {
    _ = add(1, at: place(call: call) + 8)
    store(0, at: Self.place(worker: slot) + 8)
  }

  // MARK: What is read from it

  /// How many workers there have been.
  package var workers: Int { min(load(at: 0), Self.mostWorkers) }
  package var processes: Set<CInt> { Set((0..<workers).map { process(ofWorker: $0) }) }
  /// The processes that have died of themselves.
  package var ownDeaths: Set<CInt> {
    Set((0..<workers).filter { load(at: Self.place(worker: $0) + 16) > 0 }.map { process(ofWorker: $0) })
  }
  /// 0 before the worker has said.
  package func process(ofWorker slot: Int) -> CInt { CInt(truncatingIfNeeded: load(at: Self.place(worker: slot))) }
  /// The call that the worker is at; for a dead one, that it was at when it died.
  package func call(ofWorker slot: Int) -> Int? {
    let call = load(at: Self.place(worker: slot) + 8)
    return call == 0 ? nil : call - 1
  }
  package func begun(_ call: Int) -> Int { load(at: place(call: call)) }
  package func ended(_ call: Int) -> Int { load(at: place(call: call) + 8) }
  /// The process that began the call last.
  package func process(ofCall call: Int) -> CInt { CInt(truncatingIfNeeded: load(at: place(call: call) + 16)) }

  private static func place(worker: Int) -> Int { head + worker * perWorker }
  private func place(call: Int) -> Int { Self.head + Self.mostWorkers * Self.perWorker + call * Self.perCall }

  private func load(at offset: Int) -> Int {
    (try? mapping.withAtomic(Int.self, at: offset) { $0.load(ordering: .sequentiallyConsistent) }) ?? 0
  }

  private func store(_ value: Int, at offset: Int) {
    try? mapping.withAtomic(Int.self, at: offset) { $0.store(value, ordering: .sequentiallyConsistent) }
  }

  private func add(_ amount: Int, at offset: Int) -> Int {
    let sum = try? mapping.withAtomic(Int.self, at: offset) {
      $0.wrappingAdd(amount, ordering: .sequentiallyConsistent).newValue
    }
    return sum ?? 0
  }
}
