/// A function without state that runs in worker processes: its elements travel in chunks, and its loop runs there.
///
/// ```swift
/// struct Slice: WorkerFunction {
///   static func call(_ terms: Range<Int>) -> Double { ... }
/// }
/// let sums = try await pool.map(Slice.self, slices)
/// ```
///
/// The type is found by its name in the other process, so it may be neither private nor local to a function. Since there
/// is no state, elements whose results were lost with a crashed worker are computed again, all but the one that was
/// being computed: that one's error is the crash.
public protocol WorkerFunction: SendableMetatype {
  associatedtype Input: Codable & Sendable
  associatedtype Output: Codable & Sendable

  static func call(_ input: Input) async throws -> Output
}

/// A function as a worker finds it, by name.
struct FoundFunction: Sendable {
  private let body: @Sendable (_ frame: FrameReader, _ call: UInt64, _ began: (Int) -> Void) async throws -> [UInt8]

  /// - Returns: `nil` when there is no such function in this program.
  init?(named name: String) {
    guard let type = _typeByName(name) as? any WorkerFunction.Type else { return nil }
    self.init(type)
  }

  private init<Function: WorkerFunction>(_: Function.Type) {
    body = { frame, call, began in
      let inputs = try frame.rest([Function.Input].self)
      var results = ChunkResults<Function.Output>()
      results.outputs.reserveCapacity(inputs.count)
      for (index, input) in inputs.enumerated() {
        began(index)
        do {
          results.outputs.append(try await Function.call(input))
        } catch {
          results.failures.append((index, error))
        }
      }
      return try results.frame(call)
    }
  }

  /// Computes the elements of a chunk.
  ///
  /// - Parameter began: told before each element which it is.
  /// - Returns: the frame to answer with.
  func run(_ frame: FrameReader, _ call: UInt64, began: (Int) -> Void) async throws -> [UInt8] {
    try await body(frame, call, began)
  }
}

/// What became of the elements of a chunk: the outputs of those that succeeded, in order, and the errors of the others.
struct ChunkResults<Output: Codable & Sendable> {
  var outputs: [Output] = []
  var failures: [(index: Int, error: any Error)] = []

  func frame(_ call: UInt64) throws -> [UInt8] {
    var frame = Frame.begin(.result, call, capacity: 16 + outputs.count * MemoryLayout<Output>.stride)
    frame.append(littleEndian: UInt64(failures.count))
    for (index, error) in failures {
      frame.append(littleEndian: UInt64(index))
      WireError.append(error, to: &frame)
    }
    try frame.append(part: outputs)
    return frame
  }

  init() {}

  /// Reads what a worker wrote about `count` elements.
  init(_ frame: [UInt8], count: Int) throws {
    var reader = FrameReader(frame)
    for _ in 0..<(try reader.number()) {
      let index = try reader.number()
      guard index < UInt64(count) else { throw FrameReader.Malformed() }
      failures.append((Int(index), try WireError.read(&reader)))
    }
    outputs = try reader.value([Output].self)
    guard outputs.count + failures.count == count else { throw FrameReader.Malformed() }
  }
}
