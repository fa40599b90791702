public import Synchronization

/// A function without state that runs in worker processes: its elements travel in chunks, and its loop runs there.
///
/// ```swift
/// struct Slice: WorkerFunction {
///   static func call(_ terms: Range<Int>) -> Double { ... }
/// }
/// let sums = try await pool.map(Slice.self, slices)
/// for try await (slice, sum) in pool.results(Slice.self, of: slices) { ... }
/// ```
///
/// The type is found by its name in the other process, so it may be neither private nor local to a function. Since there
/// is no state, elements whose results were lost with a crashed worker are computed again, all but the one that was
/// being computed: that one's error is the crash.
public protocol WorkerFunction: SendableMetatype {
  associatedtype Input: Codable & Sendable
  associatedtype Output: Codable & Sendable

  /// Computes one element, in a worker. What it throws is that element's error.
  static func call(_ input: Input) async throws -> Output

  /// The loop over a chunk. It is a requirement so that it is compiled with ``call(_:)``, and runs as fast as a loop does;
  /// types do not write it themselves.
  nonisolated(nonsending) static func _call(_ chunk: inout WorkerChunk<Self>) async

  /// The same for a single number, where both types are ``Numbers``: their bytes are the first of these.
  nonisolated(nonsending) static func _call(bits: UInt64) async throws -> UInt64
}

extension WorkerFunction {
  @inlinable
  nonisolated(nonsending) public static func _call(_ chunk: inout WorkerChunk<Self>) async {
    for index in chunk.inputs.indices {
      chunk.mark.pointee.store(UInt64(index), ordering: .relaxed)
      do {
        chunk.outputs.append(try await call(chunk.inputs[index]))
      } catch {
        chunk.failures.append((index, error))
      }
    }
  }
}

extension WorkerFunction {
  @inlinable
  nonisolated(nonsending) public static func _call(bits: UInt64) async throws -> UInt64 {
    let output = try await call(withUnsafeBytes(of: bits) { $0.load(as: Input.self) })
    var bits: UInt64 = 0
    withUnsafeMutableBytes(of: &bits) { $0.storeBytes(of: output, as: Output.self) }
    return bits
  }
}

/// Elements of a ``WorkerFunction`` in a worker, and what came of them.
public struct WorkerChunk<Function: WorkerFunction> {
  @usableFromInline let inputs: [Function.Input]
  @usableFromInline var outputs: [Function.Output] = []
  @usableFromInline var failures: [(index: Int, error: any Error)] = []
  /// Where the pool finds which element is being computed, in the worker's journal.
  @usableFromInline let mark: UnsafePointer<Atomic<UInt64>>

  init(_ inputs: [Function.Input], mark: UnsafePointer<Atomic<UInt64>>) {
    self.inputs = inputs
    self.mark = mark
    outputs.reserveCapacity(inputs.count)
  }
}
