public import Distributed
import Interprocess

/// A distributed call on its way into a frame: the target's name, the generic types, the arguments.
public struct WorkerInvocationEncoder: DistributedTargetInvocationEncoder {
  public typealias SerializationRequirement = any Codable

  var genericTypes: [String] = []
  /// Each with its length before it, or a place for a large array.
  private var arguments: [UInt8] = []
  private var large: [LargeArgument] = []
  /// The descriptors of shared arrays in them; `nil` as long as there are no arguments.
  private var passed: PassedDescriptors?

  public mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {
    guard let name = _mangledTypeName(type) else {
      throw WorkerCallError("the type \(type) has no name that another process knows it by")
    }
    genericTypes.append(name)
  }

  public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
    let passed = passed ?? PassedDescriptors()
    self.passed = passed
    if let array = try arguments.append(argument: argument.value, passed) { large.append(array) }
  }

  public mutating func recordErrorType<E: Error>(_ type: E.Type) throws {}
  public mutating func recordReturnType<R: Codable>(_ type: R.Type) throws {}
  public mutating func doneRecording() throws {}

  /// Makes a ``Frame/Kind/call`` of it, which has the arguments from then on.
  mutating func takeFrame(_ target: String) -> CallFrame {
    var frame = Frame.begin(.call, 0, capacity: 24 + target.utf8.count + arguments.count)
    frame.append(part: target)
    CallTrace.append(to: &frame)
    frame.append(littleEndian: UInt64(genericTypes.count))
    for type in genericTypes { frame.append(part: type) }
    frame.append(littleEndian: UInt64(passed?.count ?? 0))
    defer { (arguments, large) = ([], []) }
    return CallFrame(frame, arguments, large, passed)
  }
}

/// A distributed call that came in a frame.
public struct WorkerInvocationDecoder: DistributedTargetInvocationDecoder {
  public typealias SerializationRequirement = any Codable

  private var reader: FrameReader
  let target: String
  private let genericTypes: [any Any.Type]
  private let arena: WorkerArena?
  private let arrived: ArrivedDescriptors?

  /// - Parameters:
  ///   - reader: of a call's frame, past the target and the trace.
  ///   - descriptors: gives so many that have come with the call.
  init(
    _ target: String, _ reader: FrameReader, _ arena: WorkerArena?, descriptors: (Int) throws -> ArrivedDescriptors?
  ) throws {
    self.target = target
    self.reader = reader
    self.arena = arena
    var types: [any Any.Type] = []
    for _ in 0..<(try self.reader.number()) {
      let name = try self.reader.text()
      guard let type = _typeByName(name) else { throw WorkerCallError("there is no type \(name) in the worker") }
      types.append(type)
    }
    genericTypes = types
    arrived = try descriptors(Int(clamping: try self.reader.number()))
  }

  public mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { genericTypes }
  public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
    try reader.argument(Argument.self, arena, arrived)
  }
  public mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
  public mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}

/// Writes the result of a call into a frame.
public struct WorkerResultHandler: DistributedTargetInvocationResultHandler, Sendable {
  public typealias SerializationRequirement = any Codable

  /// Where the frame is left: the same for all calls of a worker, which come one after the other.
  final class Reply: @unchecked Sendable {
    // Sendable: written by the call, and read when the call has ended.
    private(set) var call: UInt64 = 0
    /// When the call began, by ``MonotonicTime``.
    private(set) var began: Int64 = 0
    var frame: [UInt8] = []
    /// To be passed before the frame is sent.
    var passed: PassedDescriptors?
    /// What is to be passed lies in the worker's memory for results.
    private(set) var isLent = false
    private let memory: ResultMemory

    init(_ memory: ResultMemory) { self.memory = memory }

    func begin(_ call: UInt64, at time: Int64) {
      self.call = call
      began = time
      passed = nil
      isLent = false
    }

    /// - Returns: the frame; nothing of the call is kept.
    func takeFrame() -> [UInt8] {
      defer { (frame, passed) = ([], nil) }
      return frame
    }

    /// Makes a large array of numbers the result.
    ///
    /// - Returns: whether it is one.
    func lendResult<Value>(_ value: Value) -> Bool {
      guard let byteCount = memory.place(value) else { return false }
      frame = Frame.lentResult(call, byteCount: byteCount)
      isLent = true
      return true
    }

    /// - Parameter content: writes what stands behind the head.
    func setResult(_ content: (inout [UInt8], PassedDescriptors) throws -> Void) rethrows {
      let descriptors = PassedDescriptors()
      var result = Frame.begin(.result, call)
      try content(&result, descriptors)
      if descriptors.count > 0 {
        Frame.share(&result, descriptors.count)
        passed = descriptors
      }
      frame = result
    }

    /// Makes one of the ``Numbers`` the result: the first bytes of these bits.
    func setNumber(_ bits: UInt64, byteCount: Int) {
      var result = Frame.begin(.result, call, capacity: MemoryLayout.size(ofValue: bits))
      Numbers.append(bits: bits, count: byteCount, to: &result)
      frame = result
    }

    func setFailure(_ error: any Error) {
      frame = Frame.begin(.error, call)
      WireError.append(error, to: &frame)
      passed = nil
      isLent = false
    }
  }

  let reply: Reply

  public func onReturn<Success: Codable>(value: Success) async throws {
    if reply.lendResult(value) { return }
    try reply.setResult { try CBOREncoder($1).encode(value, into: &$0) }
  }

  public func onReturnVoid() async throws { reply.frame = Frame.begin(.result, reply.call) }

  public func onThrow<Err: Error>(error: Err) async throws {
    reply.setFailure(error)
  }
}

/// A call that could not be made or understood: its arguments did not decode, for instance.
public struct WorkerCallError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }

  static func tooLarge(_ what: String, _ count: Int, limit: Int) -> WorkerCallError {
    WorkerCallError("\(what) has \(count) bytes, and the pool takes at most \(limit) (maximumMessageSize)")
  }
}
