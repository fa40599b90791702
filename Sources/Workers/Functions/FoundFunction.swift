import Interprocess
import Synchronization

/// A function as a worker finds it, by name.
struct FoundFunction: Sendable {
  /// What it needs of the worker.
  struct Place: @unchecked Sendable {
    // Sendable: the mark is atomic.
    let arena: WorkerArena
    let memory: MemorySocket
    /// Where it says which element it is at.
    let mark: UnsafePointer<Atomic<UInt64>>
    /// Where it leaves what to answer.
    let reply: WorkerResultHandler.Reply
  }

  /// Answers a call. Its frame was read as far as the target; within `CallTrace.inWorkerSpan`, the trace behind that as well.
  /// What it throws is the answer, else.
  typealias Body = nonisolated(nonsending) @Sendable (FrameReader) async throws -> Void

  /// In place of an element: none is being computed, since inputs are still being decoded, or results encoded.
  static let noElement = UInt64.max

  /// For people.
  let name: String
  /// Computes elements of a chunk.
  let chunk: Body
  /// Computes a number of a number.
  let element: Body

  /// One that throws, when there is no such function in this program.
  init(named name: String, _ place: Place) {
    if let type = _typeByName(name) as? any WorkerFunction.Type {
      self.init(type, place)
    } else {
      let body: Body = { _ in throw WorkerCallError("there is no WorkerFunction \(name) in this program") }
      self.init(name: name, chunk: body, element: body)
    }
  }

  private init(name: String, chunk: @escaping Body, element: @escaping Body) {
    self.name = name
    self.chunk = CallTrace.inWorkerSpan(name, chunk)
    self.element = CallTrace.inWorkerSpan(name, element)
  }

  private init<Function: WorkerFunction>(_: Function.Type, _ place: Place) {
    let isOfNumbers = Numbers.include(bothOf: Function.self)
    let sizes = (input: MemoryLayout<Function.Input>.size, output: MemoryLayout<Function.Output>.size)
    self.init(name: "\(Function.self)") { frame in
      var chunk = WorkerChunk<Function>(try Self.inputs(Function.self, frame, place), mark: place.mark)
      await Function._call(&chunk)
      place.mark.pointee.store(Self.noElement, ordering: .relaxed)
      try ChunkResults(chunk.outputs, chunk.failures).write(to: place.reply)
    } element: { frame in
      guard isOfNumbers else { throw FrameReader.Malformed() }
      let output = try await Function._call(bits: try Numbers.readBits(frame.restBytes, count: sizes.input))
      place.reply.setNumber(output, byteCount: sizes.output)
    }
  }

  /// Arrays come one by one, since each may lie in the arena.
  private static func inputs<Function: WorkerFunction>(
    _: Function.Type, _ frame: FrameReader, _ place: Place
  ) throws -> [Function.Input] {
    var frame = frame
    let arrived = try place.memory.descriptors(of: place.reply.call, count: Int(clamping: try frame.number()))
    if Numbers.include(Function.Input.self) { return try Numbers.read(Function.Input.self, frame.restBytes) }
    guard Function.Input.self is any PlainArray.Type else { return try frame.rest([Function.Input].self, arrived) }
    var inputs: [Function.Input] = []
    while !frame.isAtEnd { inputs.append(try frame.argument(Function.Input.self, place.arena, arrived)) }
    return inputs
  }
}
