import Interprocess
import Synchronization

/// A function as a worker finds it, by name.
struct FoundFunction: Sendable {
  /// What it needs of the worker.
  struct Place: @unchecked Sendable {
    // Sendable: the mark is atomic.
    let call: UInt64
    /// When the call began.
    let began: Int64
    let arena: WorkerArena
    let memory: MemorySocket
    /// Where it says which element it is at.
    let mark: UnsafePointer<Atomic<UInt64>>
  }

  /// In place of an element: none is being computed, since inputs are still being decoded, or results encoded.
  static let noElement = UInt64.max

  /// For people.
  let name: String
  private let body:
    nonisolated(nonsending) @Sendable (_ frame: FrameReader, Place, WorkerResultHandler.Reply) async throws -> Void

  /// - Returns: `nil` when there is no such function in this program.
  init?(named name: String) {
    guard let type = _typeByName(name) as? any WorkerFunction.Type else { return nil }
    self.init(type)
  }

  private init<Function: WorkerFunction>(_: Function.Type) {
    name = "\(Function.self)"
    let areNumbers = Numbers.include(Function.Input.self) && Numbers.include(Function.Output.self)
    body = { frame, place, reply in
      if areNumbers, try await Self.isDone(Function.self, frame, place, reply) { return }
      var chunk = WorkerChunk<Function>(try Self.inputs(Function.self, frame, place), mark: place.mark)
      await Function._call(&chunk)
      place.mark.pointee.store(Self.noElement, ordering: .relaxed)
      try ChunkResults(chunk.outputs, chunk.failures, began: place.began).reply(to: place.call, reply)
    }
  }

  /// Computes a single number of a single number.
  ///
  /// - Returns: `false` where there are more.
  private nonisolated(nonsending) static func isDone<Function: WorkerFunction>(
    _: Function.Type, _ frame: FrameReader, _ place: Place, _ reply: WorkerResultHandler.Reply
  ) async throws -> Bool {
    var frame = frame
    guard try frame.number() == 0, frame.restBytes.byteCount == MemoryLayout<Function.Input>.size else { return false }
    let input = try Numbers.readOne(Function.Input.self, frame.restBytes)
    place.mark.pointee.store(0, ordering: .relaxed)
    do {
      let output = try await Function._call(input)
      place.mark.pointee.store(Self.noElement, ordering: .relaxed)
      reply.frame = OneElement.reply(output, to: place.call, began: place.began)
    } catch {
      place.mark.pointee.store(Self.noElement, ordering: .relaxed)
      try ChunkResults<Function.Output>([], [(0, error)], began: place.began).reply(to: place.call, reply)
    }
    return true
  }

  /// Arrays come one by one, since each may lie in the arena.
  private static func inputs<Function: WorkerFunction>(
    _: Function.Type, _ frame: FrameReader, _ place: Place
  ) throws -> [Function.Input] {
    var frame = frame
    let arrived = try place.memory.descriptors(of: place.call, count: Int(clamping: try frame.number()))
    if Numbers.include(Function.Input.self) { return try Numbers.read(Function.Input.self, frame.restBytes) }
    guard Function.Input.self is any PlainArray.Type else { return try frame.rest([Function.Input].self, arrived) }
    var inputs: [Function.Input] = []
    while !frame.isAtEnd { inputs.append(try frame.argument(Function.Input.self, place.arena, arrived)) }
    return inputs
  }

  /// Computes the elements of a chunk, and leaves what to answer in `reply`.
  nonisolated(nonsending) func run(_ frame: FrameReader, _ place: Place, _ reply: WorkerResultHandler.Reply)
    async throws
  {
    try await body(frame, place, reply)
  }
}
