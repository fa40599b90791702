import Interprocess

/// Calls of a function for one element that are a number, and give one: what a chunk needs is left out, for it costs as much
/// as the rest of such a call.
///
/// Nothing here is of a generic type, since each look at the type would be one at run time.
enum OneElement {
  /// Writes that a single element of a call that was begun then succeeded, as ``ChunkResults`` does.
  static func reply<Output>(_ output: Output, to call: UInt64, began: Int64) -> [UInt8] {
    var frame = Frame.begin(.result, call, capacity: 16 + MemoryLayout<Output>.size)
    frame.append(littleEndian: UInt64(max(1, MonotonicTime.now - began)))
    frame.append(littleEndian: 0)
    Numbers.append(output, to: &frame)
    return frame
  }

  /// Reads what a worker wrote about a single element, a number or not.
  static func output<Output: Codable & Sendable>(of reply: CallReply) throws -> Output {
    if reply.lent == nil, Numbers.include(Output.self) {
      var reader = try reply.reader()
      _ = try reader.number()
      if try reader.number() == 0 { return try Numbers.readOne(Output.self, reader.restBytes) }
    }
    return try outputOfChunk(reply)
  }

  @inline(never)
  private static func outputOfChunk<Output: Codable & Sendable>(_ reply: CallReply) throws -> Output {
    let results = try ChunkResults<Output>(reply, count: 1)
    guard let output = results.outputs.first else { throw results.failures.first?.error ?? FrameReader.Malformed() }
    return output
  }
}
