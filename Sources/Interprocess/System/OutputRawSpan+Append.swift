extension OutputRawSpan {
  /// Lets `body` fill the free part of the buffer; it gives the number of bytes it put there, and an answer.
  mutating func appendBytes<Answer, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> (count: Int, answer: Answer)
  ) throws(Failure) -> Answer {
    try withUnsafeMutableBytes { storage, initialized throws(Failure) in
      let (count, answer) = try body(UnsafeMutableRawBufferPointer(rebasing: storage[initialized...]))
      initialized += count
      return answer
    }
  }
}
