import Interprocess

/// What became of the elements of a chunk: the outputs of those that succeeded, in order, and the errors of the others.
struct ChunkResults<Output: Codable & Sendable> {
  private(set) var outputs: [Output]
  /// Their indices rise.
  private(set) var failures: [(index: Int, error: any Error)]
  /// How long the worker took for it; 0 where it does not say.
  private var nanoseconds: Int64 = 0

  init(_ outputs: [Output], _ failures: [(index: Int, error: any Error)]) {
    self.outputs = outputs
    self.failures = failures
  }

  /// How long the chunk took, of the time from its call to its reply: without the wait for a free worker, where the worker
  /// says so.
  func duration(ofAtMost most: Int64) -> Int64 { nanoseconds > 0 ? min(nanoseconds, most) : most }

  /// Writes it as the answer to a call, in its worker.
  consuming func write(to reply: WorkerResultHandler.Reply) throws {
    do {
      try writeAll(to: reply)
    } catch {
      failWhatDoesNotEncode()
      try writeAll(to: reply)
    }
  }

  private func writeAll(to reply: WorkerResultHandler.Reply) throws {
    if Numbers.include(Output.self) {
      var frame = Frame.begin(.result, reply.call, capacity: 32 + outputs.count * MemoryLayout<Output>.stride)
      appendHead(to: &frame)
      Numbers.append(outputs, to: &frame)
      writeDuration(since: reply.began, to: &frame)
      reply.frame = frame
    } else if outputs.count != 1 || !failures.isEmpty || !reply.lendResult(outputs[0]) {
      try reply.setResult { frame, passed in
        appendHead(to: &frame)
        try CBOREncoder(passed).encode(outputs, into: &frame)
        writeDuration(since: reply.began, to: &frame)
      }
    }
  }

  private func appendHead(to frame: inout [UInt8]) {
    frame.append(littleEndian: 0)
    frame.append(littleEndian: UInt64(failures.count))
    for (index, error) in failures {
      frame.append(littleEndian: UInt64(index))
      WireError.append(error, to: &frame)
    }
  }

  /// Encoding is a part of it, which may be the larger one.
  private func writeDuration(since began: Int64, to frame: inout [UInt8]) {
    let nanoseconds = UInt64(max(1, MonotonicTime.now - began))
    frame.withUnsafeMutableBytes {
      $0.storeBytes(of: nanoseconds.littleEndian, toByteOffset: Frame.headSize, as: UInt64.self)
    }
  }

  /// One output that does not encode is that element's failure.
  private mutating func failWhatDoesNotEncode() {
    var encoded: [Output] = []
    var failed = failures[...]
    var all: [(index: Int, error: any Error)] = []
    var index = 0
    for output in outputs {
      while let next = failed.first, next.index == index {
        all.append(failed.removeFirst())
        index += 1
      }
      do {
        _ = try CBOREncoder(PassedDescriptors()).encode(output)
        encoded.append(output)
      } catch {
        all.append((index, error))
      }
      index += 1
    }
    outputs = encoded
    failures = all + failed
  }

  /// Reads what a worker wrote about `count` elements.
  init(_ reply: CallReply, count: Int) throws {
    if reply.lent == nil {
      try self.init(inFrameOf: reply, count)
    } else {
      guard count == 1 else { throw FrameReader.Malformed() }
      self.init([try reply.lentArray(Output.self)], [])
    }
  }

  /// The one output of a chunk of one element.
  ///
  /// - Throws: its failure, where it has failed.
  func onlyOutput() throws -> Output {
    guard let output = outputs.first else { throw failures.first?.error ?? FrameReader.Malformed() }
    return output
  }

  private init(inFrameOf reply: CallReply, _ count: Int) throws {
    var reader = try reply.reader()
    nanoseconds = Int64(clamping: try reader.number())
    var failures: [(index: Int, error: any Error)] = []
    for _ in 0..<(try reader.number()) {
      let index = try reader.number()
      guard index < UInt64(count), failures.last.map({ $0.index < Int(index) }) ?? true else {
        throw FrameReader.Malformed()
      }
      failures.append((Int(index), try WireError.read(&reader)))
    }
    self.failures = failures
    outputs =
      try Numbers.include(Output.self)
      ? Numbers.read(Output.self, reader.restBytes) : reader.rest([Output].self, reply.arrived)
    guard outputs.count + failures.count == count else { throw FrameReader.Malformed() }
  }

  /// Those of parts of a chunk together; each part's start is the offset of its first element.
  init(joining parts: [(start: Int, results: ChunkResults)]) {
    if parts.count == 1, parts[0].start == 0 {
      self = parts[0].results
      return
    }
    self.init([], [])
    for (start, results) in parts.sorted(by: { $0.start < $1.start }) {
      outputs += results.outputs
      failures += results.failures.map { (start + $0.index, $0.error) }
    }
  }

  /// The results in the order of their elements.
  var outcomes: [Result<Output, any Error>] {
    var outcomes: [Result<Output, any Error>] = []
    outcomes.reserveCapacity(outputs.count + failures.count)
    var succeeded = outputs[...]
    for failure in failures {
      let before = succeeded.prefix(failure.index - outcomes.count)
      outcomes += before.lazy.map { .success($0) }
      succeeded = succeeded[before.endIndex...]
      outcomes.append(.failure(failure.error))
    }
    outcomes += succeeded.lazy.map { .success($0) }
    return outcomes
  }
}
