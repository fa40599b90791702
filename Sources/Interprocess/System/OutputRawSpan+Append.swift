import SystemPackage

extension OutputRawSpan {
  /// Lets `body` fill the free part of the buffer; it gives the number of bytes it put there, and an answer.
  ///
  /// Always inlined, as all that every message passes through: closures and generics cost more than the rest.
  @inline(__always)
  mutating func appendBytes<Answer, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> (count: Int, answer: Answer)
  ) throws(Failure) -> Answer {
    try withUnsafeMutableBytes { storage, initialized throws(Failure) in
      let (count, answer) = try body(UnsafeMutableRawBufferPointer(rebasing: storage[initialized...]))
      initialized += count
      return answer
    }
  }

  /// Lets a system call fill the free part of the buffer: the way that is inlined into programs.
  ///
  /// - Returns: what the call returned; -1 where the buffer has no room, and it was not called.
  @inlinable @inline(__always)
  mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
    withUnsafeMutableBytes { storage, initialized in
      if initialized == storage.count { return -1 }
      let count = body(UnsafeMutableRawBufferPointer(rebasing: storage[initialized...]))
      initialized += Swift.min(Swift.max(0, count), storage.count - initialized)
      return count
    }
  }

  /// Lets `body` fill the free part of the buffer; it gives the number of bytes it put there.
  @inline(__always)
  mutating func append(
    _ body: (UnsafeMutableRawBufferPointer) -> Result<Int, Errno>
  ) -> Result<Int, Errno> {
    appendBytes { free in
      let result = body(free)
      return (count: (try? result.get()) ?? 0, answer: result)
    }
  }
}
