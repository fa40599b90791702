/// Gives `body` an empty span over a buffer of its own.
func withOutputSpan<Result>(capacity: Int, _ body: (inout OutputRawSpan) throws -> Result) throws -> Result {
  var storage = [UInt8](repeating: 0, count: capacity)
  return try storage.withUnsafeMutableBytes { bytes in
    var span = OutputRawSpan(buffer: bytes, initializedCount: 0)
    return try body(&span)
  }
}
